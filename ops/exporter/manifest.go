package exporter

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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

// manifestName returns the name of a manifest.
func manifestName(number int64) string { return fmt.Sprintf("%s/%08d.json", manifestFolder, number) }

// progress reads all manifests, and doubts them.
func (c Config) progress(ctx context.Context, log string) (done, error) {
	d := done{next: make(map[int32]int64)}
	for {
		stored, err := c.To.Read(ctx, manifestName(d.number+1))
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

// publish stores a manifest, unless there is another one of its number already. A store may have stored what it did not
// answer, and have been asked again: the same manifest is no other one, and says the same of the same files.
func (c Config) publish(ctx context.Context, m Manifest) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	b = append(bytes.TrimSpace(b), '\n')
	name := manifestName(m.Number)
	err = c.To.Create(ctx, name, b)
	if errors.Is(err, fs.ErrExist) {
		if there, problem := c.To.Read(ctx, name); problem == nil && bytes.Equal(there, b) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("publish manifest %d, which another run may have done: %w", m.Number, err)
	}
	return nil
}
