package node

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
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
)

// openFolder makes the folder where it is missing, locks it and reads what it is.
func openFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	f := &folder{path: path, lock: flock.New(filepath.Join(path, lockFile))}
	ok, err := f.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock data folder %s: %w", path, err)
	}
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, ErrInUse)
	}
	if err := f.read(); err != nil {
		return nil, errors.Join(err, f.lock.Unlock())
	}
	return f, nil
}

func (f *folder) read() error {
	name := filepath.Join(f.path, identityFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		f.identity = identity{Version: folderVersion, Instance: "refold-" + rand.Text()[:10]}
		return writeJSON(name, f.identity)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if err := json.Unmarshal(b, &f.identity); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if f.Version > folderVersion {
		return fmt.Errorf("%s: %w: its version is %d, this build knows %d", name, ErrNewer, f.Version, folderVersion)
	}
	return nil
}

func (f *folder) sub(name string) string { return filepath.Join(f.path, name) }

// Close unlocks the folder.
func (f *folder) Close() error {
	if err := f.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock data folder %s: %w", f.path, err)
	}
	return nil
}

// writeJSON replaces a file in one step.
func writeJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.WriteFile(name+".new", append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Addresses say where a node listens, HOST:PORT each; empty where it does not.
type Addresses struct {
	HTTP     string `json:"http"`
	GRPC     string `json:"grpc"`
	Kafka    string `json:"kafka"`
	Registry string `json:"registry"`
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

// Reset removes everything in a data folder that no process works in.
func Reset(data string) error {
	if _, err := os.Stat(filepath.Join(data, identityFile)); err != nil {
		return fmt.Errorf("%s is not a data folder of refold: %w", data, err)
	}
	f, err := openFolder(data)
	if err != nil && !errors.Is(err, ErrNewer) {
		return err
	}
	if f != nil {
		defer f.Close()
	}
	if err := os.RemoveAll(data); err != nil {
		return fmt.Errorf("reset %s: %w", data, err)
	}
	return nil
}
