package node

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/gofrs/flock"

	"github.com/refold/refold/streams/topic"
)

// folderVersion is the form of the data folder that this build reads and writes.
const folderVersion = 1

// ErrInUse is wrapped where another process works in the data folder. Stop it, or use another folder.
var ErrInUse = errors.New("another refold works in this data folder")

// ErrNewer is wrapped where a later build has written the data folder. Use that build.
var ErrNewer = errors.New("a newer version of refold has written this data folder")

// identity is what a data folder says of itself.
type identity struct {
	Version  int    `json:"version"`
	Instance string `json:"instance"`
	// Partitions is the number of partitions of the bank's topics; 0 before the topics are made.
	Partitions int32 `json:"partitions,omitempty"`
	// Logs are the ids that the brokers gave topics: what is kept here counts the offsets of these.
	Logs map[string]string `json:"logs,omitempty"`
}

// folder is a data folder that this process has locked.
type folder struct {
	path string
	identity
	lock *flock.Flock
}

const (
	identityFile  = "refold.json"
	addressesFile = "addresses.json"
	lockFile      = "lock"
	// snapshotsFolder holds rows as they stood, each in PROJECTION/NAME.parquet.
	snapshotsFolder = "snapshots"
)

// openFolder makes the folder where it is missing, locks it and reads what it is.
func openFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	f, err := lockFolder(path)
	if err != nil {
		return nil, err
	}
	if err := f.read(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// lockFolder locks a folder, whatever it says of itself.
func lockFolder(path string) (*folder, error) {
	f := &folder{path: path, lock: flock.New(filepath.Join(path, lockFile))}
	ok, err := f.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock data folder %s: %w", path, err)
	}
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, ErrInUse)
	}
	return f, nil
}

func (f *folder) read() error {
	name := f.sub(identityFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		f.identity = identity{Version: folderVersion, Instance: "refold-" + rand.Text()[:10]}
		return writeJSON(name, f.identity)
	}
	if err == nil {
		f.identity, err = parseIdentity(b)
	}
	if err != nil {
		return fmt.Errorf("read what the data folder is, from %s (bring the file back, or give the folder up with `refold reset`): %w", name, err)
	}
	if f.Version > folderVersion {
		return fmt.Errorf("%s: %w: its version is %d, this build knows %d", name, ErrNewer, f.Version, folderVersion)
	}
	return nil
}

// parseIdentity reads what a build of any version wrote.
func parseIdentity(b []byte) (identity, error) {
	var id identity
	if len(bytes.TrimSpace(b)) == 0 {
		return id, errors.New("it is empty")
	}
	if err := json.Unmarshal(b, &id); err != nil {
		return id, fmt.Errorf("it is not JSON as refold writes it: %w", err)
	}
	if id.Version < 1 {
		return id, errors.New("it has no version")
	}
	if id.Version == folderVersion && id.Instance == "" {
		return id, errors.New("it has no instance")
	}
	return id, nil
}

// maxPartitions bounds the partitions of the bank's topics: each has a writer with connections of its own.
const maxPartitions = 256

// partitions returns the number of partitions to work with: the one asked for, or where that is 0 the
// folder's own. A folder that has one is never given another.
func (f *folder) partitions(asked int32) (int32, error) {
	switch {
	case asked < 0 || asked > maxPartitions:
		return 0, fmt.Errorf("%w: %d; there may be 1 to %d", topic.ErrPartitions, asked, maxPartitions)
	case f.Partitions == 0:
		return cmp.Or(asked, topic.DefaultPartitions), nil
	case asked != 0 && asked != f.Partitions:
		return 0, fmt.Errorf("%s: %w: the data folder was made with %d, not %d, and that is fixed", f.sub(identityFile), topic.ErrPartitions, f.Partitions, asked)
	}
	return f.Partitions, nil
}

// ErrOtherLog is wrapped where a topic is another one than that which the data folder was made with: it was deleted and
// made again, or the brokers are those of another cluster.
var ErrOtherLog = errors.New("the topic is not the one that this data folder was made with")

// fix writes down the number of partitions that the topics have, and which topics they are. It refuses others.
func (f *folder) fix(partitions int32, logs map[string][16]byte) error {
	changed := f.Partitions != partitions
	f.Partitions = partitions
	for name, id := range logs {
		is := hex.EncodeToString(id[:])
		switch was := f.Logs[name]; was {
		case is:
		case "":
			changed = true
			if f.Logs == nil {
				f.Logs = make(map[string]string)
			}
			f.Logs[name] = is
		default:
			return fmt.Errorf("kafka.brokers: %s: %w: its id is %s, and not %s: it was made again, or these are the brokers of another cluster", name, ErrOtherLog, is, was)
		}
	}
	if !changed {
		return nil
	}
	return writeJSON(f.sub(identityFile), f.identity)
}

func (f *folder) sub(name string) string { return filepath.Join(f.path, name) }

// Close unlocks the folder.
func (f *folder) Close() error {
	if err := f.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock data folder %s: %w", f.path, err)
	}
	return nil
}

// writeJSON replaces a file in one step: after a crash there is the file as it was or as it is now, whole.
func writeJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := writeFile(name+".new", append(b, '\n')); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return syncFolder(filepath.Dir(name))
}

// writeFile writes a file whose bytes are on disk when it returns.
func writeFile(name string, b []byte) error {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = file.Write(b)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// syncFolder puts the names of a folder on disk. Windows has no such thing.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("synchronise folder %s: %w", path, err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("synchronise folder %s: %w", path, err)
	}
	return nil
}

// Addresses say where a node listens, HOST:PORT each; empty where it does not.
type Addresses struct {
	HTTP     string `json:"http"`
	GRPC     string `json:"grpc"`
	Kafka    string `json:"kafka"`
	Registry string `json:"registry"`
	// Operators is where metrics and profiles are.
	Operators string `json:"operators"`
}

// ReadAddresses returns what a node last wrote into its data folder.
func ReadAddresses(data string) (Addresses, error) {
	var a Addresses
	name := filepath.Join(data, addressesFile)
	b, err := os.ReadFile(name)
	if err != nil {
		return a, fmt.Errorf("find a running refold: %w", err)
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return a, fmt.Errorf("read %s: %w", name, err)
	}
	return a, nil
}

// Reset removes everything in a data folder that no process works in, also where the file that says what
// the folder is cannot be read. A folder without that file is not a data folder and is refused.
func Reset(data string) error {
	if _, err := os.Stat(filepath.Join(data, identityFile)); err != nil {
		return fmt.Errorf("%s is not a data folder of refold: %w", data, err)
	}
	f, err := lockFolder(data)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.RemoveAll(data); err != nil {
		return fmt.Errorf("reset %s: %w", data, err)
	}
	return nil
}
