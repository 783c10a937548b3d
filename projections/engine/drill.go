package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/streams/timeline"
)

// drillEvery is how often the live rows are drilled, where nothing else is said.
const drillEvery = 24 * time.Hour

// drillFirst is how long after its start a process drills for the first time: one that starts has other work.
const drillFirst = 10 * time.Minute

// Drill is what the last drill of a projection found: some keys of every task were folded anew, from their
// first event, and held against the rows that answer queries.
type Drill struct {
	At time.Time
	// Keys is how many partition keys were folded, Drifted which of their rows are not what their events fold
	// into.
	Keys    int
	Drifted []projection.Key
	// Err is why the drill could not be done.
	Err error
}

// Alarm is what is wrong, nil where nothing is.
func (d Drill) Alarm() error {
	if len(d.Drifted) > 0 {
		return fmt.Errorf("%w: %d rows, such as %q", ErrDrift, len(d.Drifted), d.Drifted[0])
	}
	return d.Err
}

// drillAll drills the live generation of every projection once in a while, until ctx ends.
func (e *Engine) drillAll(ctx context.Context) {
	every, began := cmp.Or(e.cfg.DrillEvery, drillEvery), time.Now()
	ticker := time.NewTicker(min(every, time.Second))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if time.Since(began) < min(every, drillFirst) {
			continue
		}
		for _, name := range e.Names() {
			e.mu.Lock()
			last, ok := e.drills[name]
			e.mu.Unlock()
			live, all, err := e.Statuses(name)
			if err != nil || ok && time.Since(last.At) < every || !calm(live, all) {
				continue
			}
			d := e.drill(ctx, name, live)
			if ctx.Err() != nil {
				return
			}
			if alarm := d.Alarm(); alarm != nil {
				e.cfg.Logger.Error("the drill found what is wrong", "projection", name, "generation", live, "error", alarm)
			}
			e.mu.Lock()
			e.drills[name] = d
			e.mu.Unlock()
		}
	}
}

// calm tells whether the live generation has caught up: a drill is not for the midst of a rebuild.
func calm(live int64, all []Status) bool {
	for _, s := range all {
		if s.Number == live {
			return s.State == Live && s.caughtUp()
		}
	}
	return false
}

// Drill folds some keys of a projection's live generation anew now.
func (e *Engine) Drill(ctx context.Context, name string) (Drill, error) {
	if _, err := e.newest(name); err != nil {
		return Drill{}, err
	}
	state, _ := e.cfg.Acts.State()
	d := e.drill(ctx, name, state.Projection(name).Live)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drills[name] = d
	return d, nil
}

func (e *Engine) drill(ctx context.Context, name string, live int64) (d Drill) {
	d.At = time.Now()
	r := e.acquire(store.Generation{Projection: name, Number: live})
	if r == nil {
		d.Err = fmt.Errorf("drill %s: %w", name, ErrNotHere)
		return d
	}
	defer r.readers.Done()
	for _, t := range r.Progress() {
		ctx, cancel := context.WithTimeout(ctx, patience)
		err := e.drillTask(ctx, r, t.Partition, &d)
		cancel()
		if err != nil {
			d.Err = errors.Join(d.Err, fmt.Errorf("drill %s/%d: %w", name, t.Partition, err))
		}
	}
	return d
}

// drillTask holds some rows of a task, as they are at one moment, against what their events fold into.
func (e *Engine) drillTask(ctx context.Context, r *running, partition int32, d *Drill) (err error) {
	rows, err := r.store.Snapshot()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	at, err := rows.Checkpoint(partition)
	if err != nil {
		return err
	}
	keys := &sampler{}
	if err := rows.Scan(partition, nil, nil, func(k, _ []byte) bool { keys.see(k); return true }); err != nil || len(keys.keys) == 0 {
		return err
	}
	if !e.trailed(r.cfg.Definition, keys.set()) {
		return nil // to find the events of a key would be to read the partition
	}
	folded, err := e.foldKeys(ctx, keysAt{definition: r.cfg.Definition, taskAt: taskAt{partition, at.Next}, standing: e.standing(r.cfg.Definition.Name, partition, at), keys: keys.set()})
	if errors.Is(err, timeline.ErrHole) {
		return nil // the first events of these keys are gone, and with them what could be held against the rows
	}
	if err == nil {
		err = folded.agree()
	}
	if err != nil {
		return err
	}
	d.Keys += len(keys.set())
	for key := range keys.set() {
		if err := d.hold(rows, partition, key, folded.once); err != nil {
			return err
		}
	}
	return nil
}

// hold notes every row of a partition key that is stored otherwise than it was folded.
func (d *Drill) hold(rows store.Reader, partition int32, key string, folded map[string][]byte) error {
	stored := make(map[string]bool)
	err := rows.Scan(partition, append([]byte(key), 0), append([]byte(key), 1), func(k, value []byte) bool {
		stored[string(k)] = true
		if !bytes.Equal(value, folded[string(k)]) {
			d.Drifted = append(d.Drifted, projection.DecodeKey(string(k)))
		}
		return true
	})
	for k := range folded {
		if of := projection.DecodeKey(k); of.Partition == key && !stored[k] {
			d.Drifted = append(d.Drifted, of)
		}
	}
	return err
}
