package broker

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

// sample is a stopped folder with the values a, b, c, each a batch at the offset of its place, in partition 0, and
// three segments x, y, z in partition 1.
func sample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	config := map[string]*string{"segment.bytes": kadm.StringPtr("1")}
	if _, err := kadm.NewClient(client(t, b.Addr())).CreateTopic(t.Context(), 2, 1, config, topicName); err != nil {
		t.Fatal(err)
	}
	closeBroker(t, b)
	// Partition 0 is one segment, and partition 1 one per batch: the size is the topic's, and read at each batch.
	setSegmentBytes(t, dir, "1000000")
	b = open(t, Config{Dir: dir})
	produce(t, client(t, b.Addr()), "a", "b", "c")
	closeBroker(t, b)
	setSegmentBytes(t, dir, "1")
	b = open(t, Config{Dir: dir})
	cl := client(t, b.Addr())
	for _, v := range []string{"x", "y", "z"} {
		if err := cl.ProduceSync(t.Context(), record(1, v)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	closeBroker(t, b)
	if got := len(readFile(t, partitionFile(dir, 0, "0.dat"))); got != 3*sampleBatch {
		t.Fatalf("got %d bytes of three batches, want %d", got, 3*sampleBatch)
	}
	return dir
}

// sampleBatch is the size of every batch of the sample.
const sampleBatch = 69

func setSegmentBytes(t *testing.T, dir, size string) {
	t.Helper()
	path := filepath.Join(dir, topicsFile)
	raw := string(readFile(t, path))
	at := strings.Index(raw, `"segment.bytes":"`) + len(`"segment.bytes":"`)
	writeFile(t, path, []byte(raw[:at]+size+raw[at+strings.Index(raw[at:], `"`):]))
}

func shorten(t *testing.T, path string, by int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-by); err != nil {
		t.Fatal(err)
	}
}

func removeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// damages are what the check must refuse, done to a sample, with the file it must name, the byte and the offset.
func damages() map[string]damage {
	one, many := partitionFile("", 0, "0.dat"), func(name string) string { return partitionFile("", 1, name) }
	oneIndex := partitionFile("", 0, "0.idx")
	return map[string]damage{
		"a byte in the middle":         {flipped(one, sampleBatch+65), one, sampleBatch, 1},
		"a byte in the last batch":     {flipped(one, 2*sampleBatch+65), one, 2 * sampleBatch, 2},
		"the length of a batch":        {flipped(one, sampleBatch+8), one, sampleBatch, 1},
		"an offset, without checksum":  {flipped(one, sampleBatch+7), one, sampleBatch, 1},
		"the last batch is short":      {shortened(one, 3), one, 2 * sampleBatch, 2},
		"the last batch is gone":       {shortened(one, sampleBatch), one, 2 * sampleBatch, 2},
		"an index entry":               {flipped(oneIndex, entrySize+14), oneIndex, entrySize, 1},
		"two index entries are gone":   {shortened(oneIndex, 2*entrySize), oneIndex, entrySize, 1},
		"the index is gone":            {removed(oneIndex), oneIndex, 0, 0},
		"the index of the only batch":  {removed(many("2.idx")), many("2.idx"), 0, 2},
		"an earlier segment is short":  {shortened(many("1.dat"), 3), many("1.dat"), 0, 1},
		"an earlier index is longer":   {appended(many("1.idx"), "xyz"), many("1.dat"), sampleBatch, 2},
		"an earlier segment is empty":  {both(shortened(many("1.dat"), sampleBatch), shortened(many("1.idx"), entrySize)), many("2.dat"), 0, 1},
		"a segment is gone":            {both(removed(many("1.dat")), removed(many("1.idx"))), many("2.dat"), 0, 1},
		"a segment without its index":  {removed(many("2.dat")), many("2.dat"), 0, 2},
		"the first segment is gone":    {both(removed(many("0.dat")), removed(many("0.idx"))), many("1.dat"), 0, 0},
		"the topics are gone":          {removed(topicsFile), filepath.Dir(one), 0, -1},
		"the topics cannot be read":    {written(topicsFile, `{"version":1,`), topicsFile, 13, -1},
		"the log starts cannot be":     {written(startsFile, `x`), startsFile, 1, -1},
		"the ends are gone":            {removed(endsFile), endsFile, 0, -1},
		"the cluster id is gone":       {removed(metaFile), metaFile, 0, -1},
		"the producers in the middle":  {flipped(producersFile, 20), producersFile, 0, -1},
		"the producers are no entries": {written(producersFile, string(appendFrame(nil, []byte("x")))), producersFile, 0, -1},
	}
}

type damage struct {
	do         func(t *testing.T, dir string)
	file       string
	at, offset int64
}

func flipped(name string, at int64) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		path := filepath.Join(dir, name)
		raw := readFile(t, path)
		raw[at] ^= 0xff
		writeFile(t, path, raw)
	}
}

func shortened(name string, by int64) func(*testing.T, string) {
	return func(t *testing.T, dir string) { shorten(t, filepath.Join(dir, name), by) }
}

func removed(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { removeFile(t, filepath.Join(dir, name)) }
}

func written(name, content string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { writeFile(t, filepath.Join(dir, name), []byte(content)) }
}

func appended(name, content string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		path := filepath.Join(dir, name)
		writeFile(t, path, append(readFile(t, path), content...))
	}
}

func both(a, b func(*testing.T, string)) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		a(t, dir)
		b(t, dir)
	}
}

func TestOpenRefusesDamage(t *testing.T) {
	t.Parallel()
	base := sample(t)
	for name, c := range damages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyDir(t, base)
			c.do(t, dir)
			before := tree(t, dir)
			err := openError(t, Config{Dir: dir})
			var got *DamageError
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want a DamageError", err)
			}
			file := filepath.Join(dir, c.file)
			if got.File != file || got.At != c.at || got.Offset != c.offset {
				t.Errorf("got %v, want it at byte %d of %s, offset %d", err, c.at, file, c.offset)
			}
			if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), file) {
				t.Errorf("got %q, want one sentence that names %s", err, file)
			}
			if !maps.Equal(tree(t, dir), before) {
				t.Error("the folder was changed")
			}
		})
	}
}

func TestCheckAcceptsSoundFolder(t *testing.T) {
	t.Parallel()
	dir := sample(t)
	before := tree(t, dir)
	if err := Check(t.Context(), dir); err != nil {
		t.Error(err)
	}
	if !maps.Equal(tree(t, dir), before) {
		t.Error("the folder was changed")
	}
}

func TestKW13OpenRefusesLogBehindWhatWasSeen(t *testing.T) {
	t.Parallel()
	base := sample(t)
	ends := func(end int64) map[string]map[int32]int64 { return map[string]map[int32]int64{topicName: {0: end}} }
	before := tree(t, base)
	if err := openError(t, Config{Dir: base, MinEnds: ends(4)}); !errors.Is(err, ErrBehind) {
		t.Errorf("got %v, want ErrBehind", err)
	}
	none := map[string]map[int32]int64{"no.topic": {0: 1}}
	if err := openError(t, Config{Dir: base, MinEnds: none}); !errors.Is(err, ErrBehind) {
		t.Errorf("missing topic: got %v, want ErrBehind", err)
	}
	if !maps.Equal(tree(t, base), before) {
		t.Error("the folder was changed")
	}

	// Without the caller's knowledge it is known what was promised.
	dir := copyDir(t, base)
	shorten(t, partitionFile(dir, 0, "0.dat"), sampleBatch)
	shorten(t, partitionFile(dir, 0, "0.idx"), entrySize)
	if err := openError(t, Config{Dir: dir}); !errors.Is(err, ErrBehind) {
		t.Errorf("got %v, want ErrBehind", err)
	}
	dir = copyDir(t, base)
	removeFile(t, partitionFile(dir, 1, "2.dat"))
	removeFile(t, partitionFile(dir, 1, "2.idx"))
	if err := openError(t, Config{Dir: dir}); !errors.Is(err, ErrBehind) {
		t.Errorf("got %v, want ErrBehind", err)
	}
	if err := Check(t.Context(), dir); !errors.Is(err, ErrBehind) {
		t.Errorf("got %v, want ErrBehind", err)
	}
	open(t, Config{Dir: base, MinEnds: ends(3)})
}

func TestOpenRefusesNewerFolder(t *testing.T) {
	t.Parallel()
	dir := sample(t)
	writeFile(t, filepath.Join(dir, metaFile), []byte(`{"version":2,"cluster_id":"x"}`))
	err := openError(t, Config{Dir: dir})
	if got, want := err.Error(), filepath.Join(dir, metaFile)+" is of version 2"; !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
}
