package journal

// One goroutine owns a partition. This is all that it does:
//
//	state        what it does                                                 then          after any error
//	-----------  -----------------------------------------------------------  ------------  ---------------
//	fencing      new client; initialize the transactional id, which fences    catching up   unknown
//	             the writer before; capture the end of the partition
//	catching up  reset the machine to the end; answer the batch of unknown    serving       unknown
//	             outcome from what the log holds
//	serving      wait for commands, and their turn; take what has queued and  committing,   unknown
//	             decide it; a batch that appends nothing and tells nothing    proving or
//	             absent is answered at once                                   serving
//	proving      see that the partition ends where it is known to end;        serving       unknown
//	             answer the batch
//	committing   begin, produce all, check that every record stands where it  serving       unknown
//	             was decided to stand, commit; answer the batch
//	unknown      close the client; wait a little                              fencing       -
//	stopped      what waits is answered: the batch ErrUnavailable, the queue  (end)         -
//	             ErrNotOwner
//
// Revocation ends every state but committing and proving, which are first finished, with success or not.
//
// Why no error code is looked at: an error from the commit may come after the commit was applied (the reply
// was lost), before it (the request was), or from a fence (another owner). Produce fails in the same three
// ways. Only the log tells, and only a log that nobody else can append to any more: hence fence first, then
// read, then answer.
//
// Why the offsets are checked: the transactional id keeps out other writers with that id, not a foreign
// producer, and a client library may renew its producer id by itself after some errors, which would let a
// fenced writer go on. If every record stands at the offset that it was decided for, then nothing is in the
// partition that the machine had not seen, whoever wrote it. The offset after a batch is one more than its
// records, for the commit marker.
//
// Why there is a proof: what the state holds was committed and is true whoever owns the partition, so replays
// are answered without one. What it does not hold may have been appended by an owner who fenced this one,
// which learns of that only when it asks a broker for something. A commit is such a question. Where there is
// none the end of the partition is: it is asked for after the command came, and where it is the end that the
// state has been read to, nothing that was acknowledged before the command came is missing. To fence again, or
// to append a record that says nothing, would prove no more and cost a takeover, or the log its size. The
// proof is as good as what the leader of a partition says of its end, on which a takeover rests as well.
//
// Why the queue is answered with ErrUnavailable together with a batch that is not in the log: a caller who
// sent two commands in order must not find the second one decided and the first one to be retried.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/streams/position"
)

// State is what a writer is doing; see the table above.
type State string

// The states of a writer.
const (
	Fencing    State = "fencing"
	CatchingUp State = "catching up"
	Serving    State = "serving"
	Committing State = "committing"
	Proving    State = "proving"
	Unknown    State = "unknown"
	Stopped    State = "stopped"
)

// Serves reports whether commands are decided in the state, or are about to be.
func (s State) Serves() bool { return s == Serving || s == Proving || s == Committing }

type writer[C, O any] struct {
	cfg       *Config[C, O]
	partition int32
	queue     *queue[C, O]
	meter     meter
	pace      *pace

	// telling is held while commands are told what became of them.
	telling sync.Mutex
	batch   []*item[C, O] // changed by run alone, under telling, which it needs not to read it
	moved   time.Time     // guarded by telling; when the last outcome was told

	// The rest is used by run alone.

	machine  Machine[C, O]
	log      *fenced       // nil unless fenced
	failures int           // in a row, since the last time that it served
	lost     error         // what a command of unknown outcome is answered with; see failed
	outcomes []O           // of the batch, as far as it is decided
	records  []*kgo.Record // that the batch appends
	absent   bool          // an outcome of the batch tells what the log does not hold
}

func newWriter[C, O any](cfg *Config[C, O], pace *pace, partition int32) *writer[C, O] {
	return &writer[C, O]{
		cfg:       cfg,
		pace:      pace,
		partition: partition,
		queue:     newQueue[C, O](cfg.MaxQueue),
		machine:   cfg.NewMachine(partition),
		lost:      ErrUnavailable,
	}
}

// run serves the partition until ctx ends.
func (w *writer[C, O]) run(ctx context.Context) {
	defer w.watch()()
	for state := Fencing; state != Stopped; {
		w.meter.enter(state)
		next, err := w.step(ctx, state)
		if err != nil {
			next = Unknown
			w.failed(ctx, state, err)
		}
		if ctx.Err() != nil && next != Committing && next != Proving {
			next = Stopped
		}
		state = next
	}
	w.stopped()
}

func (w *writer[C, O]) step(ctx context.Context, state State) (State, error) {
	switch state {
	case Fencing:
		return CatchingUp, w.fence(ctx)
	case CatchingUp:
		return Serving, w.catchUp(ctx)
	case Serving:
		return w.serve(ctx)
	case Committing:
		return Serving, w.commit(ctx)
	case Proving:
		return Serving, w.prove(ctx)
	default:
		return Fencing, w.unknown(ctx)
	}
}

func (w *writer[C, O]) fence(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Patience)
	defer cancel()
	var err error
	w.log, err = fence(ctx, w.cfg.Cluster, w.cfg.Prefix, position.Partition{Topic: w.cfg.Topic, Partition: w.partition})
	return err
}

func (w *writer[C, O]) catchUp(ctx context.Context) error {
	// The state may be far behind, and takes what it takes: the fence holds, and nobody waits for longer than
	// Patience.
	if err := w.machine.Reset(ctx, w.log.next); err != nil {
		return fmt.Errorf("catch up to offset %d: %w", w.log.next, err)
	}
	if err := w.settle(ctx); err != nil {
		return err
	}
	w.failures = 0
	return nil
}

// settle answers the batch of unknown outcome from what the log holds.
func (w *writer[C, O]) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Patience)
	defer cancel()
	w.outcomes = w.outcomes[:0]
	var found, missing []*item[C, O]
	for _, it := range w.untold() {
		outcome, ok, err := w.machine.Find(ctx, it.command)
		switch {
		case err != nil:
			return fmt.Errorf("find the outcome of a command: %w", err)
		case ok:
			found, w.outcomes = append(found, it), append(w.outcomes, outcome)
		default:
			missing = append(missing, it)
		}
	}
	w.own(found)
	w.answer()
	if len(missing) > 0 {
		w.refuse(missing, w.lost)
		w.giveUp(fmt.Errorf("%w: a command before it was not appended", w.lost))
	}
	return nil
}

func (w *writer[C, O]) serve(ctx context.Context) (State, error) {
	if w.queue.len() == 0 {
		select {
		case <-ctx.Done():
		case <-w.queue.ready:
		}
		return Serving, nil
	}
	if err := w.machine.KeepNear(ctx, w.log.next); err != nil {
		return Unknown, fmt.Errorf("stay near offset %d: %w", w.log.next, err)
	}
	if !w.pace.wait(ctx) {
		return Serving, nil
	}
	w.own(w.queue.take(w.cfg.MaxBatch))
	if err := w.decide(ctx); err != nil {
		return Unknown, err
	}
	switch {
	case len(w.records) > 0:
		return Committing, nil
	case w.absent:
		return Proving, nil
	}
	w.answer()
	return Serving, nil
}

// prove answers a batch that appends nothing, when the log holds nothing that the machine has not seen.
func (w *writer[C, O]) prove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.Patience)
	defer cancel()
	if err := w.log.unchanged(ctx); err != nil {
		return err
	}
	w.answer()
	return nil
}

func (w *writer[C, O]) decide(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.Patience)
	defer cancel()
	// The client keeps a batch's records until their promises are called, which may be after the batch
	// failed: they are never used again.
	w.records, w.outcomes, w.absent = nil, w.outcomes[:0], false
	now := w.cfg.Clock()
	for _, it := range w.batch {
		offset := w.log.next + int64(len(w.records))
		d, err := w.machine.Decide(ctx, it.command, offset, now)
		if err != nil {
			return fmt.Errorf("decide a command for offset %d: %w", offset, err)
		}
		w.outcomes = append(w.outcomes, d.Outcome)
		w.absent = w.absent || d.Absent
		for _, r := range d.Before {
			w.add(r)
		}
		if d.Value != nil {
			w.add(Record{Key: d.Key, Value: d.Value, Time: d.Time})
		}
	}
	return nil
}

// add makes a record part of the batch.
func (w *writer[C, O]) add(r Record) {
	w.records = append(w.records, &kgo.Record{
		Topic: w.cfg.Topic, Partition: w.partition, Key: r.Key, Value: r.Value, Timestamp: r.Time,
	})
}

func (w *writer[C, O]) commit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.cfg.Patience)
	defer cancel()
	begun := time.Now()
	if err := w.log.append(ctx, w.records); err != nil {
		return err
	}
	w.lost = ErrUnavailable
	w.meter.committed(len(w.records), time.Since(begun), w.log.next)
	w.answer()
	return nil
}

func (w *writer[C, O]) failed(ctx context.Context, state State, err error) {
	if ctx.Err() != nil {
		return // it was told to stop: the error says no more than that
	}
	w.failures++
	w.meter.failed(err)
	if state == Committing {
		// The code words the answer. What is done is the same for every code.
		w.lost = lost(err)
	}
	w.cfg.Log.Warn("journal lost a partition and takes it again", "topic", w.cfg.Topic,
		"partition", w.partition, "state", string(state), "failures", w.failures, "error", err)
	if w.failures > 1 {
		// It could not be taken again at once. Nobody waits longer.
		w.giveUp(w.lost)
		w.own(nil)
	}
}

// lost returns what to answer after a commit that failed.
func lost(err error) error {
	if errors.Is(err, kerr.PolicyViolation) {
		return ErrFull // the embedded broker says so
	}
	return ErrUnavailable
}

// unknown ends all that the lost client may still do, and waits a little: two processes that both believe
// that the partition is theirs fence each other, and either gets something done only if they do it at
// different times.
func (w *writer[C, O]) unknown(ctx context.Context) error {
	w.log.close()
	w.log = nil
	longest := 10 * time.Millisecond << min(w.failures, 7)
	timer := time.NewTimer(rand.N(longest))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	return nil
}

func (w *writer[C, O]) stopped() {
	w.meter.enter(Stopped)
	w.log.close()
	w.refuse(w.batch, ErrUnavailable)
	w.refuse(w.queue.close(), ErrNotOwner)
}

func (w *writer[C, O]) status() Status {
	return w.meter.status(w.partition, w.queue.len())
}
