package engine

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refold/refold/projections/projection"
)

// Cause is an event that touched a row.
type Cause struct {
	Topic     string
	Partition int32
	Offset    int64
	// Position is that of the event among those of all sources, its offset where there is one.
	Position int64
	// Event is the name of its schema, ID its own.
	Event, ID              string
	RecordedAt, OccurredAt time.Time
	// Changed says that the row was another one after it.
	Changed bool
}

// Account is why a row is, or was, as it is.
type Account struct {
	Generation int64
	// Row is the row as JSON, "" where there is none.
	Row string
	// Causes are the events that made it, newest first, and Earlier says that there are more before them.
	Causes  []Cause
	Earlier bool
	// Next is the position that was folded up to, of the first source, EventTime when the last record was recorded that was folded,
	// and Scanned says that the partition was read for it.
	Next      int64
	EventTime time.Time
	Scanned   bool
}

// WhyQuery says which row is asked about: q.Key and Sort; and which of its causes are wanted.
type WhyQuery struct {
	Query
	Sort string
	// Below leaves out the causes at and beyond a position; 0 leaves out none. Limit is how many are wanted.
	Below int64
	Limit int
}

// Why folds one row anew and returns the events that made it.
func (e *Engine) Why(ctx context.Context, q WhyQuery) (*Account, error) {
	if _, err := e.newest(q.Projection); err != nil {
		return nil, err
	}
	if q.AsOf == nil {
		q.AsOf = &Moment{Position: latest}
	}
	key := projection.Key{Partition: q.Key, Sort: q.Sort}
	f, err := e.foldOf(q.Query, beside(q.Key)) // they may tell each other what they decide
	if err != nil {
		return nil, fmt.Errorf("why %s %v: %w", q.Projection, key, err)
	}
	w := why{fold: f, key: key.Encode()}
	if err := e.refold(ctx, q.Query, f, w.take); err != nil {
		return nil, fmt.Errorf("why %s %v: %w", q.Projection, key, err)
	}
	return w.account(q)
}

// why folds a row and notes what touched it.
type why struct {
	fold   *pastFold
	key    []byte
	row    []byte // as stored, after the last cause
	causes []Cause
}

func (w *why) take(s step) error {
	if err := w.fold.fold(s); err != nil {
		return err
	}
	after, err := w.fold.folder.Stored(w.key)
	if err != nil || after == nil {
		return err
	}
	position, body := projection.StoredOffset(after)
	if position != s.position {
		return nil
	}
	_, was := projection.StoredOffset(w.row)
	w.causes = append(w.causes, Cause{
		Topic: s.Topic, Partition: s.Partition, Offset: s.Offset, Position: s.position, Event: s.event, ID: strings.Clone(s.recorded.EventID),
		RecordedAt: s.recordedAt, OccurredAt: s.recorded.OccurredAt.Time(),
		Changed: w.row == nil || !bytes.Equal(w.row[was:], after[body:]),
	})
	w.row = after
	return nil
}

func (w *why) account(q WhyQuery) (*Account, error) {
	out := &Account{Generation: w.fold.generation, Next: w.fold.first, EventTime: w.fold.at, Scanned: w.fold.scanned}
	if w.row != nil {
		var err error
		if out.Row, err = w.fold.definition.Text(w.row); err != nil {
			return nil, err
		}
	}
	for _, c := range slices.Backward(w.causes) {
		if q.Below > 0 && c.Position >= q.Below {
			continue
		}
		if len(out.Causes) == q.Limit {
			out.Earlier = true
			break
		}
		out.Causes = append(out.Causes, c)
	}
	return out, nil
}
