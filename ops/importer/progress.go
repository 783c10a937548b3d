package importer

import (
	"math"
	"time"

	"github.com/refold/refold/schemas/api/bankv1"
)

// Progress is how far an import is.
type Progress struct {
	// Rows is the number of rows read, Accepted, Replayed and Rejected what became of those that have been
	// answered.
	Rows, Accepted, Replayed, Rejected int64
	// Bytes is how much of the file has been read, and TotalBytes its size, both as it is stored, so
	// compressed where it is compressed. TotalBytes is 0 where it is unknown.
	Bytes, TotalBytes int64
	// Rate is the number of rows answered per second since the import began.
	Rate float64
	// ETA is how long the rest will take at that rate; 0 where that is unknown.
	ETA time.Duration
	// Waiting says why the import has to wait for the bank at the moment; it is empty while it runs.
	Waiting string
}

// Summary is what an import did.
type Summary struct {
	// Rows is the number of rows read. In an import without an error it is Accepted + Replayed + Rejected.
	Rows int64 `json:"rows"`
	// Accepted is the number of rows posted by this import, Replayed of those that were in the bank before;
	// to these belong rows that this import posted on a stream which broke before it answered.
	Accepted int64 `json:"accepted"`
	Replayed int64 `json:"replayed"`
	// Rejected is the number of rows that are not in the bank; RejectsFile has them. It is empty where
	// there are none.
	Rejected    int64  `json:"rejected"`
	RejectsFile string `json:"rejects_file"`
	// Accounts is the number of different accounts in the rows that could be read.
	Accounts int `json:"accounts"`
	// Bytes is how much of the file was read, as it is stored.
	Bytes int64 `json:"bytes"`
	// Elapsed is how long it took.
	Elapsed time.Duration `json:"elapsed_ns"`
	// Sums are by currency, over the rows accepted or replayed.
	Sums map[string]Sum `json:"sums"`
}

// Sum adds up rows of one currency. Amounts are in minor units and never negative; one that would not fit
// into an int64 stays at its maximum.
type Sum struct {
	// Count is the number of rows, InMinor and OutMinor what they brought into the accounts and took out.
	Count    int64 `json:"count"`
	InMinor  int64 `json:"in_minor"`
	OutMinor int64 `json:"out_minor"`
	// Refunds is the number of refunds, RefundsMinor their part of InMinor.
	Refunds      int64 `json:"refunds"`
	RefundsMinor int64 `json:"refunds_minor"`
}

// NetMinor returns money in less money out: what the balances of the accounts changed by in all.
func (s Sum) NetMinor() int64 { return s.InMinor - s.OutMinor }

// add counts one entry.
func (s *Sum) add(p *bankv1.PostEntryRequest) {
	s.Count++
	switch p.Kind {
	case bankv1.EntryKind_ENTRY_KIND_REFUND:
		s.Refunds++
		s.RefundsMinor = addCapped(s.RefundsMinor, p.AmountMinor)
		s.InMinor = addCapped(s.InMinor, p.AmountMinor)
	case bankv1.EntryKind_ENTRY_KIND_DEPOSIT, bankv1.EntryKind_ENTRY_KIND_INTEREST, bankv1.EntryKind_ENTRY_KIND_SALARY:
		s.InMinor = addCapped(s.InMinor, p.AmountMinor)
	default:
		s.OutMinor = addCapped(s.OutMinor, p.AmountMinor)
	}
}

func addCapped(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// tally counts what an import did so far. One goroutine owns it.
type tally struct {
	started                            time.Time
	rows, accepted, replayed, rejected int64
	bytes, total                       int64
	sums                               map[string]*Sum
}

func newTally(total int64) *tally {
	return &tally{started: time.Now(), total: total, sums: make(map[string]*Sum)}
}

// posted counts a row that is in the bank.
func (t *tally) posted(p *bankv1.PostEntryRequest, replayed bool) {
	if replayed {
		t.replayed++
	} else {
		t.accepted++
	}
	s := t.sums[p.Currency]
	if s == nil {
		s = &Sum{}
		t.sums[p.Currency] = s
	}
	s.add(p)
}

func (t *tally) progress(waiting string) Progress {
	p := Progress{
		Rows: t.rows, Accepted: t.accepted, Replayed: t.replayed, Rejected: t.rejected,
		Bytes: t.bytes, TotalBytes: t.total, Waiting: waiting,
	}
	elapsed := time.Since(t.started)
	p.Rate = float64(t.accepted+t.replayed+t.rejected) / max(elapsed.Seconds(), 1e-9)
	if left := t.total - t.bytes; left > 0 && t.bytes > 0 {
		p.ETA = time.Duration(float64(elapsed) * float64(left) / float64(t.bytes))
	}
	return p
}

func (t *tally) summary() Summary {
	s := Summary{
		Rows: t.rows, Accepted: t.accepted, Replayed: t.replayed, Rejected: t.rejected,
		Bytes: t.bytes, Elapsed: time.Since(t.started), Sums: make(map[string]Sum, len(t.sums)),
	}
	for currency, sum := range t.sums {
		s.Sums[currency] = *sum
	}
	return s
}
