package acts

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// Feed is the log of acts: one partition that anyone may append to. Package feed implements it.
type Feed interface {
	Append(ctx context.Context, key, value []byte) (offset int64, err error)
	Follow(ctx context.Context, from int64, fn func(offset int64, key, value []byte) error) error
	End(ctx context.Context) (int64, error)
}

// errNewer is wrapped where an act is of a kind that this build does not know.
var errNewer = errors.New("a newer version of refold has acted")

// Log follows the acts and adds to them. Its methods may be called concurrently.
type Log struct {
	feed    Feed
	codec   *codec.Codec
	encoder *codec.Encoder

	mu       sync.Mutex
	state    *State             // guarded by mu
	changed  chan struct{}      // guarded by mu; closed and replaced when state changes
	refusals map[int64]*Refusal // guarded by mu; of the last acts, by offset
}

// NewLog registers the schema of acts and returns a log that follows nothing until Run.
func NewLog(ctx context.Context, f Feed, c *codec.Codec) (*Log, error) {
	encoder, err := c.Encoder(ctx, topic.Acts, event.NameActRecorded)
	if err != nil {
		return nil, err
	}
	return &Log{
		feed: f, codec: c, encoder: encoder,
		state: &State{}, changed: make(chan struct{}),
		refusals: make(map[int64]*Refusal),
	}, nil
}

// Run follows the acts until ctx ends or one cannot be read.
func (l *Log) Run(ctx context.Context) error {
	return l.feed.Follow(ctx, 0, func(offset int64, _, value []byte) error {
		schema, err := l.codec.Lookup(ctx, value)
		if err != nil {
			return err
		}
		var a event.ActRecorded
		if err := schema.Decode(value, &a); err != nil {
			return err
		}
		if !Known(a.Kind) {
			return fmt.Errorf("%w: act %s at offset %d", errNewer, a.ActID, offset)
		}
		l.fold(offset, a)
		return nil
	})
}

func (l *Log) fold(offset int64, a event.ActRecorded) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var refused *Refusal
	l.state, refused = l.state.Fold(offset, a)
	if refused != nil {
		l.refusals[offset] = refused
	}
	// Only refusals that someone may still ask for are kept.
	for o := range l.refusals {
		if o < l.state.Next-1000 {
			delete(l.refusals, o)
		}
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// State returns the acts folded so far, and a channel that is closed when there are more.
func (l *Log) State() (*State, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state, l.changed
}

// Ready waits until everything is folded that was in the log when it was called.
func (l *Log) Ready(ctx context.Context) error {
	end, err := l.feed.End(ctx)
	if err != nil {
		return err
	}
	return l.wait(ctx, end)
}

func (l *Log) wait(ctx context.Context, next int64) error {
	for {
		s, changed := l.State()
		if s.Next >= next {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for act %d: %w", next-1, ctx.Err())
		}
	}
}

// Do appends an act, with an id and the time, and waits until it is folded. A *Refusal is returned where
// it changed nothing. After any other error it may have happened: look at State.
func (l *Log) Do(ctx context.Context, a event.ActRecorded) error {
	a.ActID = rand.Text()
	a.RecordedAt = event.MicrosOf(time.Now())
	value, err := l.encoder.Append(nil, &a)
	if err != nil {
		return err
	}
	offset, err := l.feed.Append(ctx, []byte(a.Projection), value)
	if err != nil {
		return fmt.Errorf("act %s on %s: %w", a.Kind, a.Projection, err)
	}
	if err := l.wait(ctx, offset+1); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.refusals[offset]; r != nil {
		return r
	}
	return nil
}

// IsRefusal reports whether an error is that an act was refused, and why.
func IsRefusal(err error) (*Refusal, bool) {
	var r *Refusal
	ok := errors.As(err, &r)
	return r, ok
}
