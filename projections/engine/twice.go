package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/streams/timeline"
)

// ErrImpure is wrapped where a fold gave two rows for the same events. Such a projection cannot be replayed.
var ErrImpure = errors.New("the fold is not deterministic: folded twice, the same events gave two rows")

// ErrDrift is wrapped where a stored row is not what its events fold into.
var ErrDrift = errors.New("the stored row is not what its events fold into")

// samples is how many partition keys of each task are folded anew to see whether they come out the same.
const samples = 8

// patience bounds how long it may take to fold a sample of keys: the trail may stand still.
const patience = time.Minute

// foldTwice folds some keys of a task twice, up to where its rows were compared, and says which row came out
// in two ways.
func (e *Engine) foldTwice(ctx context.Context, r *running, at taskAt, keys *sampler) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := r.store.Checkpoint(at.partition)
	if err != nil {
		return err
	}
	rows, err := e.foldKeys(ctx, keysAt{definition: r.cfg.Definition, taskAt: at, standing: e.standing(r.cfg.Definition.Name, at.partition, c), keys: keys.set()})
	if errors.Is(err, timeline.ErrHole) {
		return nil // what the rows were folded from is gone, and with it what could be folded again
	}
	if err == nil {
		err = rows.agree()
	}
	if err != nil {
		return fmt.Errorf("fold some rows of %s/%d twice: %w", r.cfg.Definition.Name, at.partition, err)
	}
	return nil
}

// refolded are the rows of some keys that were folded twice, as stored, by their encoded keys.
type refolded struct{ once, again map[string][]byte }

// agree says which row came out in two ways.
func (r refolded) agree() error {
	for key, value := range r.once {
		if !bytes.Equal(value, r.again[key]) {
			return fmt.Errorf("row %q: %w", projection.DecodeKey(key), ErrImpure)
		}
	}
	if len(r.once) != len(r.again) {
		return fmt.Errorf("%d rows, then %d: %w", len(r.once), len(r.again), ErrImpure)
	}
	return nil
}

// foldKeys folds the rows of some partition keys twice over: each by its trail, or all in one reading of the
// partition where one of them has none.
func (e *Engine) foldKeys(ctx context.Context, of keysAt) (refolded, error) {
	keys := of.keys
	out := refolded{make(map[string][]byte), make(map[string][]byte)}
	trailed := e.trailed(of.definition, keys)
	wanted := map[string]func(projection.Key) bool{"": func(k projection.Key) bool { return keys[k.Partition] }}
	if trailed {
		wanted = make(map[string]func(projection.Key) bool)
		for key := range keys {
			wanted[key] = func(k projection.Key) bool { return k.Partition == key }
		}
	}
	for key, wanted := range wanted {
		if err := e.foldKey(ctx, pastKey{keysAt: of, key: key, wanted: wanted}, out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// keysAt are partition keys whose rows are folded up to a position, but for those that stand still before it.
type keysAt struct {
	definition *projection.Definition
	taskAt
	standing
	keys map[string]bool
}

// taskAt is a task up to a position.
type taskAt struct {
	partition int32
	next      int64
}

// pastKey is one of them; "" is every key that is wanted.
type pastKey struct {
	keysAt
	key    string
	wanted func(projection.Key) bool
}

func (e *Engine) foldKey(ctx context.Context, k pastKey, out refolded) error {
	f, again := e.newPastFold(k.definition, Moment{place: k.next}, k.wanted), k.definition.Only(e.cfg.Codec, k.wanted)
	k.leave(f.folder)
	k.leave(again)
	q := Query{Projection: k.definition.Name, Partition: k.partition, Key: k.key, AsOf: &f.moment}
	err := e.refold(ctx, q, f, func(s step) error { return errors.Join(f.fold(s), again.FoldAt(s.Record, s.position)) })
	if err != nil {
		return err
	}
	for _, side := range []struct {
		folder projection.Folder
		rows   map[string][]byte
	}{{f.folder, out.once}, {again, out.again}} {
		err := side.folder.Changed(func(key, value []byte) error { side.rows[string(key)] = bytes.Clone(value); return nil })
		if err != nil {
			return err
		}
	}
	return nil
}

// sampler picks some of the partition keys that it is shown, each as likely as the others.
// Source: J. Vitter, Random Sampling with a Reservoir, 1985 (algorithm R).
type sampler struct {
	keys []string
	last string
	seen int
}

// see takes the key of a row; rows come in order of their keys. Keys without a trail are passed over: to fold
// one of them is to read the whole partition.
func (s *sampler) see(encoded []byte) {
	end := bytes.IndexByte(encoded, 0)
	if end < 0 || string(encoded[:end]) == s.last {
		return
	}
	s.last = string(encoded[:end])
	if _, trailed := trail.Of(s.last); !trailed {
		return
	}
	s.seen++
	if len(s.keys) < samples {
		s.keys = append(s.keys, s.last)
	} else if i := rand.IntN(s.seen); i < samples {
		s.keys[i] = s.last
	}
}

// set returns the keys that were picked.
func (s *sampler) set() map[string]bool {
	keys := make(map[string]bool, len(s.keys))
	for _, k := range s.keys {
		keys[k] = true
	}
	return keys
}
