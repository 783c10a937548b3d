package transactions

import (
	"context"
	"fmt"
	"strings"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/transactions/pile"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// audit is what a Verifier remembers of the records that it has seen.
type audit struct {
	Verifier
	report   Report
	named    map[int32]bool // the partitions of which a problem is in the report
	heads    map[int32]*head
	accounts map[string]*audited
	claims   pile.Pile
	transit  map[string]int64 // what is on its way to other partitions, by currency

	// Scratch space: views of the record at hand.
	posted   event.EntryPosted
	opened   event.AccountOpened
	rejected event.CommandRejected
	frozen   event.AccountFrozen
	unfrozen event.AccountUnfrozen
	closed   event.AccountClosed
	placed   event.HoldPlaced
	released event.HoldReleased
	expired  event.HoldExpired
	settled  event.TransferSettled
	redeemed event.RewardRedemptionRequested
}

// audited is an account as its last leg left it.
type audited struct {
	currency string
	balance  int64
	seq      int64
	floor    int64 // the balance that no debit may end below
	opened   bool
	frozen   bool
	closed   bool
	held     int64                  // the sum of open holds
	holds    map[string]auditedHold // the open ones, by their ids
	limit    ledger.Account         // only what daily limits need
}

type auditedHold struct{ amount, day int64 }

func newAudit(v Verifier) *audit {
	return &audit{
		Verifier: v,
		report:   Report{Problems: []Problem{}},
		named:    make(map[int32]bool),
		heads:    make(map[int32]*head),
		accounts: make(map[string]*audited),
		transit:  make(map[string]int64),
	}
}

func (a *audit) problem(partition int32, offset int64, format string, args ...any) {
	a.report.Found++
	if len(a.report.Problems) < maxProblems || !a.named[partition] {
		a.named[partition] = true
		what := fmt.Sprintf(format, args...)
		a.report.Problems = append(a.report.Problems, Problem{Partition: partition, Offset: offset, What: what})
	}
}

func (a *audit) record(ctx context.Context, rec *timeline.Record) error {
	a.report.Records++
	found := func(format string, args ...any) { a.problem(rec.Partition, rec.Offset, format, args...) }
	if !rec.Attrs.IsTransactional() {
		found("is not of a transaction: somebody else wrote it")
	}
	schema, err := a.Codec.Lookup(ctx, rec.Value)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		found("cannot be decoded: %s", err)
		return nil
	}
	f := a.scratch(schema.Name)
	if f == nil {
		found("is of %s, which does not belong here", schema.Name)
		return nil
	}
	if err := schema.View(rec.Value, f); err != nil {
		found("cannot be decoded: %s", err)
		return nil
	}
	a.chain(rec, f.Envelop(), found)
	if err := a.claim(rec, f); err != nil {
		return err
	}
	switch e := f.(type) {
	case *event.AccountOpened:
		a.open(e, found)
	case *event.AccountFrozen:
		a.known(e.AccountID, found).frozen = true
	case *event.AccountUnfrozen:
		a.known(e.AccountID, found).frozen = false
	case *event.AccountClosed:
		a.end(e, found)
	case *event.HoldPlaced:
		a.place(e, found)
	case *event.HoldReleased:
		a.letGo(e.AccountID, e.HoldID, e.AmountMinor, 0, found)
	case *event.HoldExpired:
		if e.RecordedAt < e.ExpiresAt {
			found("lets hold %s expire before %s", e.HoldID, text(e.ExpiresAt))
		}
		a.letGo(e.AccountID, e.HoldID, e.AmountMinor, 0, found)
	case *event.EntryPosted:
		a.entry(e, rec.Partition, found)
	case *event.RewardRedemptionRequested:
		a.known(e.AccountID, found)
	}
	return nil
}

func (a *audit) scratch(name string) fact {
	switch name {
	case event.NameAccountOpened:
		return &a.opened
	case event.NameEntryPosted:
		return &a.posted
	case event.NameCommandRejected:
		return &a.rejected
	case event.NameAccountFrozen:
		return &a.frozen
	case event.NameAccountUnfrozen:
		return &a.unfrozen
	case event.NameAccountClosed:
		return &a.closed
	case event.NameHoldPlaced:
		return &a.placed
	case event.NameHoldReleased:
		return &a.released
	case event.NameHoldExpired:
		return &a.expired
	case event.NameTransferSettled:
		return &a.settled
	case event.NameRewardRedemptionRequested:
		return &a.redeemed
	}
	return nil
}

func (a *audit) open(e *event.AccountOpened, found func(string, ...any)) {
	if home, ok := customerOf(e.AccountID); !ok || home != e.CustomerID {
		found("opens account %q, which is not one of customer %q", e.AccountID, e.CustomerID)
	}
	acc := a.account(e.AccountID, e.Currency)
	if acc.opened {
		found("opens account %s again", e.AccountID)
	}
	acc.opened, acc.floor, acc.limit.DailyLimitMinor = true, -e.OverdraftLimitMinor, e.DailyLimitMinor
}

// known returns an account of which a record says that it exists.
func (a *audit) known(id string, found func(string, ...any)) *audited {
	acc := a.account(id, "")
	if !acc.opened {
		found("is of account %s, which was not opened", id)
	}
	if acc.closed {
		found("is of account %s, which is closed", id)
	}
	return acc
}

func (a *audit) end(e *event.AccountClosed, found func(string, ...any)) {
	acc := a.known(e.AccountID, found)
	if acc.balance != 0 || len(acc.holds) > 0 {
		found("closes account %s, which has %d, and %d open holds", e.AccountID, acc.balance, len(acc.holds))
	}
	acc.closed = true
}

func (a *audit) place(e *event.HoldPlaced, found func(string, ...any)) {
	acc := a.known(e.AccountID, found)
	if acc.frozen {
		found("holds something of account %s, which is frozen", e.AccountID)
	}
	if acc.holds == nil {
		acc.holds = make(map[string]auditedHold)
	}
	acc.holds[strings.Clone(e.EventID)] = auditedHold{e.AmountMinor, e.LimitDay}
	acc.held += e.AmountMinor
	acc.spend(e.AccountID, e.LimitDay, e.AmountMinor, found)
	if acc.balance-acc.held < acc.floor {
		found("holds %d of account %s, which has %d and may not fall below %d", acc.held, e.AccountID, acc.balance, acc.floor)
	}
}

// letGo ends a hold, of which something was taken.
func (a *audit) letGo(account, hold string, amount, taken int64, found func(string, ...any)) {
	acc := a.known(account, found)
	was, open := acc.holds[hold]
	if !open || was.amount != amount {
		found("ends hold %s of %d, which is not open on account %s", hold, amount, account)
	}
	acc.held -= was.amount
	if was.day != 0 && was.day == acc.limit.LimitDay {
		acc.limit.SpentMinor -= was.amount - taken
	}
	delete(acc.holds, hold)
}

func (a *audit) entry(e *event.EntryPosted, partition int32, found func(string, ...any)) {
	a.report.Entries++
	if currency, unbalanced := event.Unbalanced(e.Legs); unbalanced {
		found("does not sum to zero in %s", currency)
	}
	if e.HoldID != "" && len(e.Legs) > 0 {
		first := &e.Legs[0]
		a.letGo(first.AccountID, e.HoldID, e.HoldAmountMinor, -first.AmountMinor, found)
		if first.AmountMinor < -e.HoldAmountMinor {
			found("captures %d of hold %s, which holds %d", -first.AmountMinor, e.HoldID, e.HoldAmountMinor)
		}
	}
	for i := range e.Legs {
		id := e.Legs[i].AccountID
		if home, ok := customerOf(id); ok && topic.Of(home, a.Partitions) != partition {
			found("books to account %s, which belongs to partition %d", id, topic.Of(home, a.Partitions))
		}
		a.leg(&e.Legs[i], found)
	}
}

func (a *audit) leg(l *event.Leg, found func(string, ...any)) {
	acc := a.account(l.AccountID, l.Currency)
	internal := ledger.Internal(l.AccountID)
	if !acc.opened && !internal {
		found("books to account %s, which was not opened", l.AccountID)
		acc.opened = true
	}
	if acc.closed {
		found("books to account %s, which is closed", l.AccountID)
	}
	if acc.frozen && l.AmountMinor < 0 {
		found("takes from account %s, which is frozen", l.AccountID)
	}
	if l.Currency != acc.currency {
		found("books %s to account %s, which is in %s", l.Currency, l.AccountID, acc.currency)
	}
	if l.AccountSeq != acc.seq+1 {
		found("has leg %d of account %s, after leg %d", l.AccountSeq, l.AccountID, acc.seq)
	}
	if l.BalanceAfterMinor != acc.balance+l.AmountMinor {
		found("leaves account %s with %d, which had %d and got %d", l.AccountID, l.BalanceAfterMinor, acc.balance, l.AmountMinor)
	}
	if !internal && l.AmountMinor < 0 && l.BalanceAfterMinor-acc.held < acc.floor {
		found("leaves account %s with %d available, which may not fall below %d", l.AccountID, l.BalanceAfterMinor-acc.held, acc.floor)
	}
	acc.spend(l.AccountID, l.LimitDay, -l.AmountMinor, found)
	acc.seq, acc.balance = l.AccountSeq, l.BalanceAfterMinor
}

// spend counts an amount to the limit of a day; of day 0 it counts to none.
func (a *audited) spend(id string, day, amount int64, found func(string, ...any)) {
	if day == 0 {
		return
	}
	a.limit.LimitDay, a.limit.SpentMinor = day, a.limit.Spent(day)+amount
	if a.limit.SpentMinor > a.limit.DailyLimitMinor {
		found("lets account %s spend %d in a day, which may spend %d", id, a.limit.SpentMinor, a.limit.DailyLimitMinor)
	}
}

// account returns an account, new in the currency where it is not known.
func (a *audit) account(id, currency string) *audited {
	acc := a.accounts[id]
	if acc == nil {
		acc = &audited{currency: strings.Clone(currency)}
		a.accounts[strings.Clone(id)] = acc
	}
	return acc
}
