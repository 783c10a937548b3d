package broker

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// A transaction that a kill interrupted stays lost, whatever is committed later under the same transactional id, which
// has the same producer id; and what is committed later is there. An old client does not even change its epoch.
func TestLostTransactionStaysLost(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]*kversion.Versions{"today's client": kversion.Stable(), "old client": kversion.V2_8_0()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := startChild(t, dir, "127.0.0.1:0")
			createTopic(t, c.addr, topicName, 1)
			txn := client(t, c.addr, kgo.TransactionalID("t"), kgo.MaxVersions(version))
			begin(t, txn)
			produce(t, txn, "before")
			commit(t, txn)
			begin(t, txn)
			produce(t, txn, "lost")
			c.kill()

			c = startChild(t, dir, "127.0.0.1:0")
			wantValues(t, committed(t, c.addr, 0), "before")
			txn = client(t, c.addr, kgo.TransactionalID("t"), kgo.MaxVersions(version))
			begin(t, txn)
			produce(t, txn, "kept")
			commit(t, txn)
			c.kill()

			c = startChild(t, dir, "127.0.0.1:0")
			wantValues(t, committed(t, c.addr, 0), "before", "kept")
			wantValues(t, uncommitted(t, c.addr, 0), "before", "lost", "kept")
		})
	}
}

// A clean stop aborts what is open as well: there is one path.
func TestOpenTransactionIsAbortedByCleanStop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	createTopic(t, b.Addr(), topicName, 1)
	txn := client(t, b.Addr(), kgo.TransactionalID("t"))
	begin(t, txn)
	produce(t, txn, "lost")
	closeBroker(t, b)

	b = open(t, Config{Dir: dir})
	produce(t, client(t, b.Addr()), "a")
	wantValues(t, committed(t, b.Addr(), 0), "a") // and readers are not held back
	start, end := logEnds(t, b.Addr(), 0)
	if start != 0 || end != 3 {
		t.Errorf("got offsets %d to %d, want 0 to 3: the record, the marker, the other record", start, end)
	}
}

// A repair may be killed anywhere. The states in between are made from the folder before and the folder after.
func TestRepairMayBeKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	createTopic(t, b.Addr(), topicName, 1)
	txn := client(t, b.Addr(), kgo.TransactionalID("t"))
	begin(t, txn)
	produce(t, txn, "lost")
	before := copyDir(t, dir)
	data, index := partitionFile("/", 0, "0.dat"), partitionFile("/", 0, "0.idx")
	torn := append(readFile(t, before+data), readFile(t, before+data)[:20]...)
	writeFile(t, before+data, torn)
	writeFile(t, before+index, append(readFile(t, before+index), 1, 2))
	after := copyDir(t, before)
	closeBroker(t, open(t, Config{Dir: after}))

	files := func(names ...string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				writeFile(t, dir+name, readFile(t, after+name))
			}
		}
	}
	batch, entry := len(torn)-20, entrySize
	part := func(dataSize, indexSize int) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			writeFile(t, dir+data, readFile(t, after+data)[:dataSize])
			writeFile(t, dir+index, readFile(t, after+index)[:indexSize])
		}
	}
	marked := len(readFile(t, after+data))
	for name, state := range map[string]func(t *testing.T, dir string){
		"nothing done":     files(),
		"index cut":        func(t *testing.T, dir string) { shorten(t, dir+index, 2) },
		"both cut":         part(batch, entry),
		"marker torn":      part(batch+30, entry),
		"marker not known": part(marked, entry),
		"entry torn":       part(marked, entry+7),
		"marker written":   part(marked, 2*entry),
		"snapshot written": files(data, index, partitionFile("/", 0, snapshotFile)),
		"producers fenced": files(data, index, partitionFile("/", 0, snapshotFile), "/"+producersFile),
		"file half made":   func(t *testing.T, dir string) { writeFile(t, dir+"/"+producersFile+partialSuffix, []byte("x")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copyDir(t, before)
			state(t, dir)
			b := open(t, Config{Dir: dir})
			txn := client(t, b.Addr(), kgo.TransactionalID("t"))
			begin(t, txn)
			produce(t, txn, "kept")
			commit(t, txn)
			b = open(t, Config{Dir: copyDir(t, dir)})
			wantValues(t, committed(t, b.Addr(), 0), "kept")
		})
	}
}

func TestRepairRemovesWhatIsLeftOver(t *testing.T) {
	t.Parallel()
	dir := sample(t)
	paths := []string{
		filepath.Join(dir, "meta.json.tmp"), partitionFile(dir, 0, "snapshot.json.tmp"),
		partitionFile(dir, 0, "3.dat"), partitionFile(dir, 0, "3.idx"), // begun, and killed before the first batch
	}
	for _, path := range paths {
		writeFile(t, path, nil)
	}
	b := open(t, Config{Dir: dir})
	wantValues(t, committed(t, b.Addr(), 0), "a", "b", "c")
	for _, path := range paths {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: got %v, want that it is gone", path, err)
		}
	}
}
