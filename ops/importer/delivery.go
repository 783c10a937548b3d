package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/refold/refold/schemas/api/bankv1"
)

// Pauses between two attempts to reach the bank.
const (
	minPause = 50 * time.Millisecond
	maxPause = 2 * time.Second
)

// reportEvery is the time between two reports of progress.
const reportEvery = 100 * time.Millisecond

// delivery takes the rows of a file to the bank until each has its final answer.
//
// There is one way to recover, whatever happens: the stream is given up, and a new one is sent everything
// that has no final answer, in the order of the rows, before anything new. That is safe because a key that
// is in the bank already is answered with its record.
type delivery struct {
	*Config
	blocks <-chan block
	// ended is why the file has no more blocks; nil while it has.
	ended   error
	flight  *flight
	tally   *tally
	rejects *rejects
	// answers is the number of final answers.
	answers  int
	waiting  string
	reported time.Time
}

// broken is an end of a stream after which another one may do better.
type broken struct{ cause error }

// Error returns the text of the cause.
func (b *broken) Error() string { return b.cause.Error() }

func newDelivery(c *Config, total int64) *delivery {
	return &delivery{
		Config:  c,
		flight:  newFlight(c.Format.kind),
		tally:   newTally(total),
		rejects: &rejects{path: c.Rejects, source: c.File},
	}
}

// run opens one stream after the other until all is answered.
func (d *delivery) run(ctx context.Context) error {
	defer d.report(0)
	var since time.Time
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		before := d.answers
		err := runSession(ctx, d)
		var b *broken
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("stopped, with %d commands unanswered; the same import can be run again: %w", len(d.flight.waiting), ctx.Err())
		case !errors.As(err, &b):
			return err
		}
		if since.IsZero() || d.answers > before {
			since, pause = time.Now(), minPause
		}
		if time.Since(since) > d.Patience {
			return fmt.Errorf("no answer for %s, with %d commands unanswered; the same import can be run again: %w", d.Patience, len(d.flight.waiting), b.cause)
		}
		d.flight.rewind()
		d.waiting = b.Error()
		d.report(reportEvery)
		wait(ctx, pause)
	}
}

func wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// take takes rows of the file in.
func (d *delivery) take(b block) error {
	d.ended, d.tally.bytes = b.err, b.bytes
	for _, r := range b.rows {
		d.tally.rows++
		if r.refusal == nil {
			d.flight.add(r)
			continue
		}
		if err := d.reject(r, r.refusal); err != nil {
			return err
		}
	}
	return nil
}

// done reports whether the file has no more rows and all rows are answered.
func (d *delivery) done() bool { return d.ended != nil && len(d.flight.waiting) == 0 }

// failed returns why the file could not be read to its end, or nil where it could.
func (d *delivery) failed() error {
	if errors.Is(d.ended, io.EOF) {
		return nil
	}
	return d.ended
}

// settle takes in the final answer to a command.
func (d *delivery) settle(c *command, r *bankv1.Result) error {
	d.answers++
	d.waiting = ""
	d.flight.land(c)
	opening := c.pb.GetOpenAccount() != nil
	switch o := r.Outcome.(type) {
	case *bankv1.Result_Rejected:
		if opening {
			d.flight.accounts[c.row.post.AccountId].refused = o.Rejected
			return nil
		}
		return d.reject(c.row, d.refusal(c.row, o.Rejected))
	case *bankv1.Result_Opened:
		if opening {
			return nil
		}
	case *bankv1.Result_Posted:
		if !opening {
			d.tally.posted(c.row.post, o.Posted.GetReplayed())
			return nil
		}
	}
	return fmt.Errorf("the answer to line %d is of the wrong kind: %T", c.row.line, r.Outcome)
}

// refusal is the server's rejection of a row, with that of its account where that was rejected before.
func (d *delivery) refusal(r row, rejection *bankv1.Rejection) *refusal {
	why := &refusal{reason: rejection.GetReason(), detail: rejection.GetDetail()}
	if opening := d.flight.accounts[r.post.AccountId].refused; opening != nil {
		why.detail += fmt.Sprintf(" (opening %s was refused: %s: %s)", r.post.AccountId, opening.Reason, opening.Detail)
	}
	return why
}

func (d *delivery) reject(r row, why *refusal) error {
	d.tally.rejected++
	return d.rejects.add(r, why)
}

// report tells the progress, unless it did so less than a while ago.
func (d *delivery) report(every time.Duration) {
	if d.Progress == nil || time.Since(d.reported) < every {
		return
	}
	d.reported = time.Now()
	d.Progress(d.tally.progress(d.waiting))
}

func (d *delivery) summary() Summary {
	s := d.tally.summary()
	s.Accounts = len(d.flight.accounts)
	s.RejectsFile = d.rejects.name()
	return s
}
