package exporter

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Manifest is what one increment holds.
type Manifest struct {
	Number int64  `json:"number"` // counted from 1
	Topic  string `json:"topic"`
	Log    string `json:"log"` // the topic's own id
	// Previous is the SHA-256 of the manifest before this one, as it is stored; "" in the first.
	Previous string `json:"previous"`
	Files    []File `json:"files"`
}

// File is the part of an increment that is of one partition: everything from a position up to, not including,
// the next.
type File struct {
	Name      string `json:"name"`
	Partition int32  `json:"partition"`
	From      int64  `json:"from"`
	Next      int64  `json:"next"`
	Rows      int64  `json:"rows"`
	SHA256    string `json:"sha256"`
}

// done is how far the manifests say that the export is.
type done struct {
	number int64
	digest string
	next   map[int32]int64
}

func (c Config) manifest(number int64) string {
	return filepath.Join(c.Folder, manifestFolder, fmt.Sprintf("%08d.json", number))
}

// progress reads all manifests, and doubts them.
func (c Config) progress(log string) (done, error) {
	d := done{next: make(map[int32]int64)}
	for {
		stored, err := os.ReadFile(c.manifest(d.number + 1))
		if errors.Is(err, fs.ErrNotExist) {
			return d, nil
		}
		if err != nil {
			return d, err
		}
		if err := d.add(stored, c.Topic, log); err != nil {
			return d, fmt.Errorf("%w: manifest %d: %w", ErrManifest, d.number+1, err)
		}
	}
}

// add takes the next manifest in.
func (d *done) add(stored []byte, topic, log string) error {
	var m Manifest
	if err := json.Unmarshal(stored, &m); err != nil {
		return err
	}
	switch {
	case m.Number != d.number+1 || m.Previous != d.digest:
		return errors.New("it does not follow from the one before it")
	case m.Topic != topic || m.Log != log:
		return fmt.Errorf("it is of %s with the id %s, and the log is %s with the id %s", m.Topic, m.Log, topic, log)
	}
	for _, f := range m.Files {
		if next, begun := d.next[f.Partition]; begun && next != f.From {
			return fmt.Errorf("partition %d goes on at %d, and ended at %d", f.Partition, f.From, next)
		}
		d.next[f.Partition] = f.Next
	}
	sum := sha256.Sum256(stored)
	d.number, d.digest = m.Number, hex.EncodeToString(sum[:])
	return nil
}

// publish makes a manifest, whole and durable, unless there is one of its number already.
func (c Config) publish(m Manifest) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	// What the folders hold is durable before anything says so.
	if err := syncFolder(filepath.Join(c.Folder, entriesFolder)); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Join(c.Folder, manifestFolder), "*"+growing)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // it has another name, or is of no use
	_, err = f.Write(append(bytes.TrimSpace(b), '\n'))
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), c.manifest(m.Number)); err != nil {
		return fmt.Errorf("publish manifest %d, which another run may have done: %w", m.Number, err)
	}
	return syncFolder(filepath.Join(c.Folder, manifestFolder))
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
