package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/snapshot"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/event"
)

// ErrDamaged is wrapped where a snapshot is not the file that was made.
var ErrDamaged = errors.New("the snapshot is not what was made")

// Snapshot is one that was made.
type Snapshot struct {
	event.ActRecorded
	// Here tells whether this process has its file.
	Here bool
}

// Snapshots returns the snapshots of a projection, oldest first.
func (e *Engine) Snapshots(name string) (out []Snapshot, err error) {
	if _, err := e.newest(name); err != nil {
		return nil, err
	}
	state, _ := e.cfg.Acts.State()
	for _, a := range state.Projection(name).Snapshots {
		out = append(out, Snapshot{a, e.hasSnapshot(name, a.Snapshot)})
	}
	return out, nil
}

func (e *Engine) snapshotPath(projection, name string) string {
	return filepath.Join(e.cfg.Snapshots, projection, name+".parquet")
}

func (e *Engine) hasSnapshot(projection, name string) bool {
	if e.cfg.Snapshots == "" {
		return false
	}
	_, err := os.Stat(e.snapshotPath(projection, name))
	return err == nil
}

// CreateSnapshot writes the rows of the live generation to a file, as they stand now, and records that it did. A
// replay may begin with it.
func (e *Engine) CreateSnapshot(ctx context.Context, projection, principal, reason string) (s Snapshot, err error) {
	if e.cfg.Snapshots == "" {
		return s, &acts.Refusal{Why: "this process keeps no snapshots"}
	}
	if _, err := e.newest(projection); err != nil {
		return s, err
	}
	state, _ := e.cfg.Acts.State()
	p := state.Projection(projection)
	g, _ := p.Generation(p.Live)
	r := e.acquire(store.Generation{Projection: projection, Number: p.Live})
	if r == nil {
		return s, fmt.Errorf("snapshot of %s: %w", projection, ErrNotHere)
	}
	defer r.readers.Done()
	if err := r.whole(ctx); err != nil {
		return s, fmt.Errorf("snapshot of %s: %w", projection, err)
	}
	name := fmt.Sprintf("%s-%d-%s", projection, p.Live, time.Now().UTC().Format("20060102T150405.000000Z"))
	a := event.ActRecorded{
		Kind: event.ActSnapshotCreated, Principal: principal, Reason: reason, Projection: projection, Generation: p.Live,
		ExpectedLive: p.Live, Version: g.Version, Hash: g.Hash, Snapshot: name,
	}
	if err := r.write(e.snapshotPath(projection, name), &a); err != nil {
		return s, fmt.Errorf("snapshot of %s: %w", projection, err)
	}
	if err := e.act(ctx, a); err != nil {
		return s, fmt.Errorf("snapshot of %s: %w", projection, err)
	}
	all, err := e.Snapshots(projection)
	for _, made := range all {
		if made.Snapshot == name {
			return made, err // with the time that it was recorded at
		}
	}
	return s, err
}

// write writes the rows of a generation as they stand at one moment, and completes the act that says so.
func (r *running) write(path string, a *event.ActRecorded) (err error) {
	rows, err := r.store.Snapshot()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	d := r.cfg.Definition
	h := snapshot.Header{Projection: d.Name, Version: d.Version, Hash: d.Hash, Topic: d.Topic}
	for _, t := range r.Progress() {
		c, err := rows.Checkpoint(t.Partition)
		if err != nil {
			return err
		}
		h.Tasks = append(h.Tasks, snapshot.TaskOf(t.Partition, c))
		for _, s := range sourcesIn(c, d.Topic) {
			a.Positions = append(a.Positions, event.TopicPosition{Topic: s.Topic, Partition: t.Partition, Offset: s.Next})
		}
	}
	if a.Rows, err = snapshot.Write(path, h, rows); err != nil {
		return err
	}
	a.Digest, err = digestOf(path)
	return err
}

// digestOf returns the SHA-256 of a file in hex.
func digestOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// openSnapshot opens a snapshot that was made, and nothing else in its place.
func (e *Engine) openSnapshot(projection, name string) (*snapshot.Snapshot, error) {
	made, err := e.Snapshots(projection)
	if err != nil {
		return nil, err
	}
	for _, m := range made {
		if m.Snapshot != name {
			continue
		}
		path := e.snapshotPath(projection, name)
		got, err := digestOf(path)
		if err != nil {
			return nil, err
		}
		if got != m.Digest {
			return nil, fmt.Errorf("%s: %w: its hash is %s, not %s", path, ErrDamaged, got, m.Digest)
		}
		return snapshot.Open(path)
	}
	return nil, fmt.Errorf("%w: snapshot %q", ErrUnknown, name)
}

// seedSnapshot fills a task with the rows of a snapshot.
func (e *Engine) seedSnapshot(f filling, from *snapshot.Snapshot) error {
	for _, t := range from.Tasks {
		if t.Partition != f.partition || t.Next == 0 {
			continue
		}
		into := filler{filling: f, left: e.leftOutOf(f.id.Projection, f.partition, t.Checkpoint())}
		err := from.Scan(f.partition, into.take)
		if err = errors.Join(err, into.broken); err == nil {
			err = into.end(t.Checkpoint())
		}
		return err
	}
	return nil
}
