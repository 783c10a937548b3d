package model

import (
	"slices"

	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
)

// hold is what the model remembers of a hold for ever.
type hold struct {
	Amount    int64        `avro:"amount"`
	Currency  string       `avro:"currency"`
	ExpiresAt event.Micros `avro:"expires_at"`
	Merchant  string       `avro:"merchant"`
	MCC       string       `avro:"mcc"`
	Category  string       `avro:"category"`
	Ended     string       `avro:"ended"` // why it cannot be ended any more, "" while it is open
}

// entry is what the model remembers of an entry for ever.
type entry struct {
	Kind       string     `avro:"kind"`
	Legs       []entryLeg `avro:"legs"`
	Merchant   string     `avro:"merchant"`
	MCC        string     `avro:"mcc"`
	Category   string     `avro:"category"`
	RefundOf   string     `avro:"refund_of"`
	Refunded   int64      `avro:"refunded"`
	ReversedBy string     `avro:"reversed_by"`
	// Of a transfer to another partition.
	Counterparty string       `avro:"counterparty"`
	RecordedAt   event.Micros `avro:"recorded_at"`
	LimitDay     int64        `avro:"limit_day"`
	Received     bool         `avro:"received"` // it is the end of one that was sent by another entry
}

type entryLeg struct {
	Account  string `avro:"account"`
	Amount   int64  `avro:"amount"`
	Currency string `avro:"currency"`
}

// forms are how what is remembered for ever is stored.
type forms struct {
	holds   codec.Row[hold]
	entries codec.Row[entry]
}

func newForms() (f forms, err error) {
	if f.holds, err = codec.RowOf[hold](); err != nil {
		return f, err
	}
	f.entries, err = codec.RowOf[entry]()
	return f, err
}

// shelf keeps what grows with the log: what is put there last is in memory, the rest in a store.
type shelf struct {
	store store.Store // nil: all is in memory
	put   map[string][]byte
}

// mostPut is how much a shelf holds in memory, in keys.
const mostPut = 20_000

// load returns what was saved under a key, nil where nothing was.
func (s *shelf) load(key string) ([]byte, error) {
	if v, ok := s.put[key]; ok || s.store == nil {
		return v, nil
	}
	return s.store.Load(0, []byte(key))
}

func (s *shelf) save(key string, value []byte) error {
	s.put[key] = value
	if s.store == nil || len(s.put) < mostPut {
		return nil
	}
	err := s.store.Save(0, store.Checkpoint{}, func(w store.Writer) error {
		for k, v := range s.put {
			if err := w.Set([]byte(k), v); err != nil {
				return err
			}
		}
		return nil
	})
	clear(s.put)
	return err
}

// recall returns what is remembered under a key, nil where nothing is.
func recall[R any](b *bank, form codec.Row[R], key string) *R {
	v, err := b.shelf.load(key)
	b.fail(err)
	if v == nil {
		return nil
	}
	r := new(R)
	b.fail(form.Decode(v, r))
	return r
}

func remember[R any](b *bank, form codec.Row[R], key string, r *R) {
	v, err := form.Append(nil, r)
	b.fail(err)
	b.fail(b.shelf.save(key, v))
}

func keyOf(kind, scope, id string) string { return kind + scope + "\x00" + id }

func (b *bank) hold(account, id string) *hold {
	return recall(b, b.forms.holds, keyOf("h", account, id))
}

func (b *bank) entryNamed(customer, id string) *entry {
	return recall(b, b.forms.entries, keyOf("e", customer, id))
}

// entryOf returns an entry with a leg on an account that was posted under its customer, nil where there is none.
func (b *bank) entryOf(account, id string) *entry {
	home, _ := event.Home(account)
	e := b.entryNamed(home, id)
	if e == nil || !slices.ContainsFunc(e.Legs, func(l entryLeg) bool { return l.Account == account }) {
		return nil
	}
	return e
}

// apply moves the bank on by what a record says.
func (b *bank) apply(f fact) {
	switch e := f.(type) {
	case *event.AccountOpened:
		b.accounts[e.AccountID] = &account{
			currency: e.Currency, overdraft: e.OverdraftLimitMinor, daily: e.DailyLimitMinor, zone: e.TimeZone,
		}
	case *event.AccountFrozen:
		b.account(e.AccountID).frozen = true
	case *event.AccountUnfrozen:
		b.account(e.AccountID).frozen = false
	case *event.AccountClosed:
		b.account(e.AccountID).closed = true
	case *event.HoldPlaced:
		b.place(e)
	case *event.HoldReleased:
		b.end(e.AccountID, e.HoldID, "HOLD_ALREADY_RELEASED", 0)
	case *event.HoldExpired:
		b.end(e.AccountID, e.HoldID, "HOLD_EXPIRED", 0)
	case *event.TransferSettled:
		b.account(e.AccountID).transit -= e.AmountMinor
	case *event.EntryPosted:
		b.post(e)
	}
}

// account returns an account, an empty one where there was none.
func (b *bank) account(id string) *account {
	a := b.accounts[id]
	if a == nil {
		a = new(account)
		b.accounts[id] = a
	}
	return a
}

func (b *bank) place(e *event.HoldPlaced) {
	a := b.account(e.AccountID)
	a.open = append(a.open, openHold{e.EventID, e.AmountMinor, e.ExpiresAt, e.LimitDay})
	a.spend(e.LimitDay, e.AmountMinor)
	remember(b, b.forms.holds, keyOf("h", e.AccountID, e.EventID), &hold{
		Amount: e.AmountMinor, Currency: e.Currency, ExpiresAt: e.ExpiresAt, Merchant: e.Merchant, MCC: e.MCC, Category: e.Category,
	})
}

// end ends a hold, of which an amount was taken.
func (b *bank) end(id, holdID, why string, taken int64) {
	a := b.account(id)
	if i := slices.IndexFunc(a.open, func(h openHold) bool { return h.id == holdID }); i >= 0 {
		a.giveBack(a.open[i].day, a.open[i].amount-taken)
		a.open = slices.Delete(a.open, i, i+1)
	}
	h := b.hold(id, holdID)
	if h == nil {
		h = new(hold)
	}
	h.Ended = why
	remember(b, b.forms.holds, keyOf("h", id, holdID), h)
}

func (b *bank) post(e *event.EntryPosted) {
	if e.HoldID != "" && len(e.Legs) > 0 {
		b.end(e.Legs[0].AccountID, e.HoldID, "HOLD_ALREADY_CAPTURED", -e.Legs[0].AmountMinor)
	}
	kept := entry{Kind: e.Kind, Merchant: e.Merchant, MCC: e.MCC, Category: e.Category, RefundOf: e.RefundOf}
	for _, l := range e.Legs {
		a := b.account(l.AccountID)
		a.balance, a.seq, a.currency = l.BalanceAfterMinor, l.AccountSeq, l.Currency
		a.spend(l.LimitDay, -l.AmountMinor)
		kept.Legs = append(kept.Legs, entryLeg{l.AccountID, l.AmountMinor, l.Currency})
	}
	if e.Counterparty != "" && len(e.Legs) > 0 {
		kept.Counterparty, kept.RecordedAt, kept.LimitDay, kept.Received = e.Counterparty, e.RecordedAt, e.Legs[0].LimitDay, e.TransferID != ""
		if e.TransferID == "" || e.Kind == event.EntryTransferReturn {
			b.account(e.Legs[0].AccountID).transit -= e.Legs[0].AmountMinor
		}
	}
	b.takeBack(e)
	remember(b, b.forms.entries, keyOf("e", e.CustomerID, e.EventID), &kept)
}

// takeBack remembers of an earlier entry that this one reverses or refunds it, or no longer refunds it.
func (b *bank) takeBack(e *event.EntryPosted) {
	change := func(id string, how func(*entry)) {
		if was := b.entryNamed(e.CustomerID, id); was != nil {
			how(was)
			remember(b, b.forms.entries, keyOf("e", e.CustomerID, id), was)
		}
	}
	if e.Reverses != "" {
		change(e.Reverses, func(was *entry) { was.ReversedBy = e.EventID })
	}
	if e.RefundOf != "" && (e.Kind == event.EntryRefund || e.Kind == event.EntryReversal) && len(e.Legs) > 0 {
		change(e.RefundOf, func(was *entry) { was.Refunded += e.Legs[0].AmountMinor })
	}
}
