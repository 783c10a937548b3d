package broker

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestOpenCutsTornBatch(t *testing.T) {
	t.Parallel()
	base := sample(t)
	for name, c := range map[string]struct {
		tear func(t *testing.T, data, index string)
		want []string
	}{
		"half a batch": {func(t *testing.T, data, index string) {
			shorten(t, data, 3)
			shorten(t, index, entrySize)
		}, []string{"a", "b"}},
		"half a header": {func(t *testing.T, data, index string) {
			writeFile(t, data, append(readFile(t, data), readFile(t, data)[:30]...))
		}, []string{"a", "b", "c"}},
		"half a length": {func(t *testing.T, data, index string) {
			writeFile(t, data, append(readFile(t, data), readFile(t, data)[:10]...))
		}, []string{"a", "b", "c"}},
		"a batch of zeros": {func(t *testing.T, data, index string) {
			writeFile(t, data, append(readFile(t, data), make([]byte, 100)...))
		}, []string{"a", "b", "c"}},
		"a batch that ends in zeros": {func(t *testing.T, data, index string) {
			raw := readFile(t, data)
			clear(raw[len(raw)-5:])
			writeFile(t, data, raw)
			shorten(t, index, entrySize)
		}, []string{"a", "b"}},
		"a batch without its index entry": {func(t *testing.T, data, index string) {
			shorten(t, index, entrySize)
		}, []string{"a", "b"}},
		"a batch with half an index entry": {func(t *testing.T, data, index string) {
			shorten(t, index, 4)
		}, []string{"a", "b"}},
		"a batch with an index entry of zeros": {func(t *testing.T, data, index string) {
			raw := readFile(t, index)
			clear(raw[len(raw)-entrySize:])
			writeFile(t, index, raw)
		}, []string{"a", "b"}},
		"half an index entry alone": {func(t *testing.T, data, index string) {
			writeFile(t, index, append(readFile(t, index), 1, 2, 3))
		}, []string{"a", "b", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyDir(t, base)
			removeFile(t, partitionFile(dir, 0, snapshotFile)) // a kill leaves that of the start before
			setPromised(t, dir, 0, int64(len(c.want)))
			c.tear(t, partitionFile(dir, 0, "0.dat"), partitionFile(dir, 0, "0.idx"))
			if err := Check(t.Context(), dir); err != nil {
				t.Fatal(err)
			}
			b := open(t, Config{Dir: dir})
			wantValues(t, uncommitted(t, b.Addr(), 0), c.want...)
			produce(t, client(t, b.Addr()), "next")
			closeBroker(t, b)
			b = open(t, Config{Dir: dir})
			wantValues(t, committed(t, b.Addr(), 0), append(c.want, "next")...)
		})
	}
}

// A batch of a transaction that was killed between segment and index must not become visible, and must not shift the
// entries of the batches that follow.
func TestOpenHidesBatchWithoutIndexEntry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	createTopic(t, b.Addr(), topicName, 1)
	produce(t, client(t, b.Addr()), "a")
	txn := client(t, b.Addr(), kgo.TransactionalID("t"))
	begin(t, txn)
	produce(t, txn, "lost")
	crashed := copyDir(t, dir)
	setPromised(t, crashed, 0, 1)
	shorten(t, partitionFile(crashed, 0, "0.idx"), entrySize)

	b = open(t, Config{Dir: crashed})
	wantValues(t, committed(t, b.Addr(), 0), "a")
	txn = client(t, b.Addr(), kgo.TransactionalID("t"))
	begin(t, txn)
	produce(t, txn, "kept")
	commit(t, txn)
	begin(t, txn)
	produce(t, txn, "lost too")
	b = open(t, Config{Dir: copyDir(t, crashed)})
	wantValues(t, committed(t, b.Addr(), 0), "a", "kept")
}

// The entries that a repair writes are those that kfake would write, but for the timestamp that it never reads.
func TestIndexEntryIsThatOfKfake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	createTopic(t, b.Addr(), topicName, 1)
	txn := client(t, b.Addr(), kgo.TransactionalID("t"))
	begin(t, txn)
	produce(t, txn, "a")
	commit(t, txn)
	produce(t, client(t, b.Addr()), "b")
	s, err := openSegment(partitionDir(dir, topicName, 0), 0)
	must(t, err)
	defer s.data.Close()
	for n := range 3 {
		batch, found, err := s.next()
		if must(t, err); found != "" {
			t.Fatalf("batch %d %s", n, found)
		}
		want := bytes.Clone(s.index[n*entrySize:][:entrySize])
		clear(want[6:14])
		want[1] = byte(checksum(want[2:]))
		if got := indexEntry(batch); !bytes.Equal(got, want) {
			t.Errorf("batch %d: got %x, want %x", n, got, want)
		}
	}
}

// kfake reads only up to the first entry that is broken, and writes behind it.
func TestOpenCutsTornEntryOfAppendLogs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	createTopic(t, b.Addr(), topicName, 1)
	commitOffset(t, b.Addr(), 1)
	crashed := copyDir(t, dir)
	for _, name := range []string{groupsFile, producersFile} {
		path := filepath.Join(crashed, name)
		torn := appendFrame(nil, []byte(`{"type":"commit","g":"torn"}`))
		writeFile(t, path, append(readFile(t, path), torn[:len(torn)-3]...))
	}
	b = open(t, Config{Dir: crashed})
	commitOffset(t, b.Addr(), 2)
	b = open(t, Config{Dir: copyDir(t, crashed)})
	got, err := kadm.NewClient(client(t, b.Addr())).FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := got.Lookup(topicName, 0); o.At != 2 {
		t.Errorf("got group offset %d, want 2", o.At)
	}
}

func commitOffset(t *testing.T, addr string, at int64) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(topicName, 0, at, -1)
	if err := kadm.NewClient(client(t, addr)).CommitAllOffsets(t.Context(), "g", offsets); err != nil {
		t.Fatal(err)
	}
}
