package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/refold/refold/streams/topic"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// segment is the only segment of a partition of the journal on disk.
type segment struct {
	t    *testing.T
	path string
	raw  []byte
}

// journalOf reads the segment of a customer's partition.
func journalOf(t *testing.T, data, customer string) *segment {
	t.Helper()
	pattern := filepath.Join(data, "kafka", "partitions", fmt.Sprintf("%s-%d", topic.Transactions, topic.Of(customer, topic.DefaultPartitions)), "*.dat")
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: got %v, %v, want one file", pattern, found, err)
	}
	raw, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return &segment{t, found[0], raw}
}

// change changes one text of the only batch that holds it, makes the length of the batch right, and its
// checksum if that is to be so. It returns where the batch stands in the file, and its first offset.
func (s *segment) change(from, to string, checksum bool) (at, offset int64) {
	s.t.Helper()
	for at := 0; at < len(s.raw); {
		size := 12 + int(binary.BigEndian.Uint32(s.raw[at+8:]))
		batch, changed := s.changed(s.raw[at:at+size], from, to)
		if changed {
			if checksum {
				binary.BigEndian.PutUint32(batch[17:], crc32.Checksum(batch[21:], crc32.MakeTable(crc32.Castagnoli)))
			}
			s.raw = bytes.Join([][]byte{s.raw[:at], batch, s.raw[at+size:]}, nil)
			if err := os.WriteFile(s.path, s.raw, 0o600); err != nil {
				s.t.Fatal(err)
			}
			return int64(at), int64(binary.BigEndian.Uint64(batch))
		}
		at += size
	}
	s.t.Fatalf("%s: there is no %q in it", s.path, from)
	return 0, 0
}

// changed returns a batch, no longer compressed, in which a text is another one.
func (s *segment) changed(raw []byte, from, to string) (batch []byte, changed bool) {
	s.t.Helper()
	var b kmsg.RecordBatch
	if err := b.ReadFrom(raw); err != nil {
		s.t.Fatal(err)
	}
	const compression = 7 // bits of the attributes
	records, err := kgo.DefaultDecompressor().Decompress(b.Records, kgo.CompressionCodecType(b.Attributes&compression))
	if err != nil {
		s.t.Fatal(err)
	}
	changedRecords := bytes.Replace(records, []byte(from), []byte(to), 1)
	if bytes.Equal(changedRecords, records) {
		return nil, false
	}
	batch = append(bytes.Clone(raw[:61]), changedRecords...)
	binary.BigEndian.PutUint32(batch[8:], uint32(len(batch)-12))
	binary.BigEndian.PutUint16(batch[21:], uint16(b.Attributes&^compression))
	return batch, true
}

// written returns a data folder with entries of an account of alice: of each a merchant with its number. With
// REFOLD_TEST_ENTRIES so many entries of others are before them.
func written(t *testing.T, entries int) string {
	t.Helper()
	data := t.TempDir()
	p := up(t, data, "Data")
	if n, _ := strconv.Atoi(os.Getenv("REFOLD_TEST_ENTRIES")); n > 0 {
		file, _ := cards(t, n)
		t.Log(well(t, data, "import", file, "--format", "birmingham"))
		t.Log(well(t, data, "verify"))
	}
	post := func(path, key, body string) {
		if status, answer := p.post(path, key, body); status != 200 {
			t.Fatalf("%s: got %d %s", body, status, answer)
		}
	}
	post("/v1/accounts", "open", `{"account_id": "alice.main", "kind": "ACCOUNT_KIND_CURRENT", "currency": "EUR"}`)
	for n := range entries {
		post("/v1/entries", fmt.Sprint("in", n), fmt.Sprintf(`{"account_id": "alice.main", "kind": "ENTRY_KIND_DEPOSIT", "amount_minor": 5, "currency": "EUR", "merchant": "shop-%03d"}`, n))
	}
	p.stop()
	return data
}

// One byte of one record is changed on disk and the checksum of its batch made right: refold starts, and
// verify names the offset. With the checksum left wrong refold refuses to start and names file and offset.
func TestLG22ByteChangedOnDisk(t *testing.T) {
	data := written(t, 12)
	_, changed := journalOf(t, data, "alice").change("shop-007", "shop-00X", true)
	p := up(t, data, "Data")
	at := topic.Of("alice", topic.DefaultPartitions)
	for _, c := range []struct {
		verb string
		want string
	}{
		{"journal", fmt.Sprintf("partition %d, offset %d: was changed: the record after it, at offset %d, names another one", at, changed, p.next(at, changed))},
		{"model", fmt.Sprintf("partition %d, offset %d: is not what a command of its digest asks for", at, changed)},
	} {
		code, stdout, stderr := refold(t, data, "verify", c.verb)
		t.Log(stdout)
		if code != exitNotAllWell || !strings.Contains(stdout, c.want) || !strings.Contains(stderr, ": 1 problem in ") {
			t.Errorf("verify %s: got %d, %s %s, want %q", c.verb, code, stdout, stderr, c.want)
		}
	}
	p.stop()
	file := journalOf(t, data, "alice")
	where, offset := file.change("shop-005", "shop-00Y", false)
	code, _, stderr := refold(t, data, append([]string{"up"}, anyPort...)...)
	if code != exitFailed || !strings.Contains(stderr, file.path) || !strings.Contains(stderr, fmt.Sprint("offset ", offset)) || !strings.Contains(stderr, fmt.Sprint(where)) {
		t.Errorf("up: got %d, %s, want the file, byte %d and offset %d", code, stderr, where, offset)
	}
}

// next returns the offset of the record after one.
func (p *process) next(partition int32, offset int64) (next int64) {
	p.t.Helper()
	for _, line := range strings.Split(well(p.t, p.data, "tail", topic.Transactions, "--from", "beginning", "--partition", fmt.Sprint(partition)), "\n") {
		var rec struct{ Offset int64 }
		if json.Unmarshal([]byte(line), &rec) == nil && rec.Offset > offset {
			return rec.Offset
		}
	}
	p.t.Fatalf("there is no record after offset %d", offset)
	return 0
}

func TestJSONHasStableNames(t *testing.T) {
	data := t.TempDir()
	p := up(t, data, "Data")
	file, _ := cards(t, 20)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"import", file, "--format", "birmingham"}, `{"accepted":20,"accounts":10,"bytes":`},
		{[]string{"verify"}, `{"journal":{"accounts":18,"entries":20,"found":0,"problems":[],"records":30,"totals_minor":{"GBP":0}},"model":{"accepted":30,"expired":0,"found":0,"not_compared":0,"pending_transfers":0,"problems":[],"records":30,"rejected":0}}`},
		{[]string{"verify", "journal"}, `{"journal":{`},
		{[]string{"verify", "model"}, `{"model":{`},
	} {
		var fields map[string]any
		if err := json.Unmarshal([]byte(well(t, data, append(c.args, "--json")...)), &fields); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(fields) // in the order of the names
		if err != nil || !strings.HasPrefix(string(got), c.want) {
			t.Errorf("%v: got %s, want %s", c.args, got, c.want)
		}
	}
	p.stop()
}

// largest returns the largest file with an ending below a folder.
func largest(t *testing.T, dir, ending string) (path string, size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ending) {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > size {
			path, size = p, info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return path, size
}

func TestDamagedSegments(t *testing.T) {
	file, _ := cards(t, 2000)
	made := t.TempDir()
	p := up(t, made, "Data")
	well(t, made, "import", file, "--format", "birmingham")
	p.stop()
	for name, damage := range map[string]func(f *os.File, size int64) error{
		"a byte changed in the middle": func(f *os.File, size int64) error {
			b := make([]byte, 1)
			if _, err := f.ReadAt(b, size/2); err != nil {
				return err
			}
			_, err := f.WriteAt([]byte{b[0] ^ 1}, size/2)
			return err
		},
		"the second half gone": func(f *os.File, size int64) error { return f.Truncate(size / 2) },
	} {
		data := filepath.Join(t.TempDir(), "data")
		if err := os.CopyFS(data, os.DirFS(made)); err != nil {
			t.Fatal(err)
		}
		segment, size := largest(t, filepath.Join(data, "kafka"), ".dat")
		f, err := os.OpenFile(segment, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := damage(f, size); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := refold(t, data, append([]string{"up"}, anyPort...)...)
		if code != exitFailed || !strings.Contains(stderr, filepath.Base(segment)) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: got %d, %q", name, code, stderr)
		}
	}
}
