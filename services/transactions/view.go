package transactions

import (
	"time"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
)

// view is what a command may be decided by: the time of the decision, and the rows of its partition, which
// are read as they are asked for. After a read that failed the decision is worth nothing: see err.
type view struct {
	partition int32
	now       event.Micros
	rows      rows
	err       error // of the first read that failed
}

// rows are the state of a partition. What they return is not changed, and stays as it is until something is
// folded.
type rows interface {
	// row returns the row of a key, nil where there is none.
	row(key projection.Key) (*ledger.Row, error)
	// fact returns the fact that a row keeps.
	fact(o *ledger.Outcome) (fact, error)
	// zone returns a time zone by its name; UTC is "".
	zone(name string) (*time.Location, error)
}

func (v *view) row(key projection.Key) ledger.Row {
	r, err := v.rows.row(key)
	if err != nil && v.err == nil {
		v.err = err
	}
	if err != nil || r == nil {
		return ledger.Row{}
	}
	return *r
}

// account returns an account, nil where it does not exist. An internal one exists once something was booked
// to it.
func (v *view) account(id string) *ledger.Account { return v.row(ledger.AccountKey(id)).Account }

// hold returns a hold of an account, open or not; nil where it does not exist.
func (v *view) hold(account, id string) *ledger.Hold { return v.row(ledger.HoldKey(account, id)).Hold }

// entry returns an entry that was posted under a customer, and what became of it; nil where it does not exist.
func (v *view) entry(customer, id string) (*event.EntryPosted, *ledger.Entry) {
	row := v.row(ledger.EntryKey(customer, id))
	if row.Entry == nil {
		return nil, nil
	}
	posted, ok := v.fact(row.Outcome).(*event.EntryPosted)
	if !ok {
		return nil, nil
	}
	return posted, row.Entry
}

// fact returns what a row keeps as the answer to a key.
func (v *view) fact(o *ledger.Outcome) fact {
	f, err := v.rows.fact(o)
	if err != nil && v.err == nil {
		v.err = err
	}
	return f
}
