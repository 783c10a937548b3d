package transactions

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
)

// table is the state of a partition.
type table map[projection.Key]*ledger.Row

func (t table) row(key projection.Key) (*ledger.Row, error) { return t[key], nil }

// fact returns what add put in.
func (t table) fact(o *ledger.Outcome) (fact, error) {
	e := &event.EntryPosted{}
	return e, json.Unmarshal(o.Value, e)
}

func (t table) zone(name string) (*time.Location, error) { return time.LoadLocation(name) }

// add lets there be an entry of customer c1, of which something became.
func (v *view) add(t *testing.T, e *event.EntryPosted, became ledger.Entry) *view {
	t.Helper()
	value, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	v.rows.(table)[ledger.EntryKey("c1", e.EventID)] = &ledger.Row{Entry: &became, Outcome: &ledger.Outcome{Value: value}}
	return v
}

type accounts map[string]*ledger.Account

// seen is what a command is decided by at noon in partition 7 where there are accounts.
func seen(given accounts) *view {
	rows := make(table)
	for id, a := range given {
		rows[ledger.AccountKey(id)] = &ledger.Row{Account: a}
	}
	return &view{partition: 7, now: noon, rows: rows}
}

// reasonIn returns the reason of a fact that is a rejection, "" of one that is not.
func reasonIn(f fact) string {
	if r, ok := f.(*event.CommandRejected); ok {
		return r.Reason
	}
	return ""
}

var errDisk = errors.New("the disk is gone")

// torn is a state that cannot be read.
type torn struct{}

func (torn) row(projection.Key) (*ledger.Row, error) { return nil, errDisk }

func (torn) fact(*ledger.Outcome) (fact, error) { return nil, errDisk }

func (torn) zone(string) (*time.Location, error) { return nil, errDisk }

func TestViewRemembersWhatCouldNotBeRead(t *testing.T) {
	v := &view{rows: torn{}, now: noon}
	decide(v, made(t, deposit("c1.main", "k", 1)))
	if !errors.Is(v.err, errDisk) {
		t.Errorf("got %v, want %v", v.err, errDisk)
	}
}
