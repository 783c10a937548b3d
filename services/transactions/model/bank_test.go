package model

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// journal is a log of two partitions that a test writes by hand: c1 lives in partition 1, c4 in partition 0.
type journal struct {
	t       *testing.T
	codec   *codec.Codec
	records []*timeline.Record
	seqs    [2]int64
}

func newJournal(t *testing.T) *journal { return &journal{t: t, codec: codec.New(new(codec.Local))} }

// add adds an event under a customer.
func (j *journal) add(customer, name string, f fact) {
	j.t.Helper()
	p := topic.Of(customer, 2)
	e := f.Envelop()
	j.seqs[p]++
	e.PartitionSeq, e.CustomerID, e.RecordedAt = j.seqs[p], customer, event.Micros(len(j.records)+1)
	e.OccurredAt, e.IdempotencyKey = e.RecordedAt, fmt.Sprint("k", len(j.records))
	if e.EventID == "" {
		e.EventID = e.IdempotencyKey
	}
	encoder, err := j.codec.Encoder(context.Background(), topic.Transactions, name)
	if err != nil {
		j.t.Fatal(err)
	}
	value, err := encoder.Append(nil, f)
	if err != nil {
		j.t.Fatal(err)
	}
	j.records = append(j.records, &timeline.Record{Partition: p, Offset: j.seqs[p] - 1, Value: value})
}

func (j *journal) problems() string {
	j.t.Helper()
	r, err := Verifier{Codec: j.codec}.Records(j.t.Context(), j.records, 2)
	if err != nil {
		j.t.Fatal(err)
	}
	return fmt.Sprint(r.Problems)
}

// An expiry is of the bank's own making: the hold that it ends is all that it can be held against.
func TestExpiriesAreDoubted(t *testing.T) {
	placed := &event.HoldPlaced{AccountID: "c1.a", AmountMinor: 5, Currency: "EUR", ExpiresAt: 2}
	placed.EventID = "h"
	expired := func(id string, amount int64, at event.Micros) *event.HoldExpired {
		return &event.HoldExpired{AccountID: "c1.a", HoldID: id, AmountMinor: amount, ExpiresAt: at}
	}
	for want, expiries := range map[string][]*event.HoldExpired{
		"offset 2: lets hold x of account c1.a expire, which was never placed": {expired("x", 5, 2)},
		"offset 2: is wrong about hold h of 5":                                 {expired("h", 6, 2)},
		"offset 3: lets hold h expire, which has ended: HOLD_EXPIRED":          {expired("h", 5, 2), expired("h", 5, 2)},
	} {
		j := newJournal(t)
		j.add("c1", event.NameAccountOpened, &event.AccountOpened{AccountID: "c1.a", Currency: "EUR", Kind: event.AccountCard, OverdraftLimitMinor: 9})
		j.add("c1", event.NameHoldPlaced, placed)
		for _, e := range expiries {
			j.add("c1", event.NameHoldExpired, e)
		}
		if got := j.problems(); !strings.Contains(got, want) {
			t.Errorf("got %s, want %q", got, want)
		}
	}
	j := newJournal(t)
	early := *placed
	early.ExpiresAt = 1_000
	j.add("c1", event.NameHoldPlaced, &early)
	j.add("c1", event.NameHoldExpired, expired("h", 5, 1_000))
	if got, want := j.problems(), "offset 1: lets hold h expire before"; !strings.Contains(got, want) {
		t.Errorf("got %s, want %q", got, want)
	}
}

// moved is an entry of a transfer of account a and the clearing account of its partition.
func moved(a string, p int, amount int64, how func(*event.EntryPosted)) *event.EntryPosted {
	e := &event.EntryPosted{Kind: event.EntryTransfer, Legs: []event.Leg{
		{AccountID: a, AmountMinor: amount, Currency: "EUR", BalanceAfterMinor: amount, AccountSeq: 1},
		{AccountID: fmt.Sprintf("@clearing.%d.EUR", p), AmountMinor: -amount, Currency: "EUR", BalanceAfterMinor: -amount, AccountSeq: 1},
	}}
	how(e)
	return e
}

// The parts of a transfer between partitions are held against each other, in whatever order they are read.
func TestPartsOfTransfersAreHeldAgainstEachOther(t *testing.T) {
	sent := moved("c1.a", 1, -5, func(e *event.EntryPosted) { e.EventID, e.Counterparty = "t", "c4.a" })
	received := func(amount int64) fact {
		return moved("c4.a", 0, amount, func(e *event.EntryPosted) { e.TransferID, e.Counterparty = "t", "c1.a" })
	}
	refused := &event.CommandRejected{Command: ReceiveTransfer, Reason: "ACCOUNT_CLOSED"}
	refused.Content = (&Command{Name: ReceiveTransfer, TransferID: "t", Account: "c4.a", Counterparty: "c1.a", Amount: 5, Currency: "EUR"}).Content()
	settled := &event.TransferSettled{AccountID: "c1.a", TransferID: "t", Counterparty: "c4.a", AmountMinor: 5, Currency: "EUR"}
	for want, parts := range map[string][]fact{
		"is about transfer t, which was never sent":            {received(5)},
		"is about transfer t of {c1.a c4.a 6 EUR}, which is":   {received(6), sent, settled},
		"ends transfer t, which was never received nor":        {settled, sent},
		`ends transfer t with "", which the receiver's`:        {sent, refused, settled},
		"is about transfer t what offset 0 of partition 0 is":  {received(5), received(5), sent},
		"the clearing accounts have -1 EUR more than is on it": {sent, received(6)},
	} {
		j := newJournal(t)
		for _, f := range parts {
			switch f := f.(type) {
			case *event.TransferSettled:
				j.add("c1", event.NameTransferSettled, f)
			case *event.CommandRejected:
				j.add("c4", event.NameCommandRejected, f)
			case *event.EntryPosted:
				home, _ := event.Home(f.Legs[0].AccountID)
				j.add(home, event.NameEntryPosted, f)
			}
		}
		if got := j.problems(); !strings.Contains(got, want) {
			t.Errorf("got %s, want %q", got, want)
		}
	}
}
