package ledger

import (
	"errors"
	"testing"

	"github.com/refold/refold/schemas/event"
)

// away is the entry of key "t" that sends 30 of the 100 of c1.a to another partition. It is the third record.
func away() *event.EntryPosted {
	return &event.EntryPosted{
		Envelope: event.Envelope{IdempotencyKey: "t"}, Kind: event.EntryTransfer, Counterparty: "c9.a",
		Legs: []event.Leg{
			{AccountID: "c1.a", AmountMinor: -30, Currency: "EUR", BalanceAfterMinor: 70, AccountSeq: 2},
			{AccountID: "@clearing.0.EUR", AmountMinor: 30, Currency: "EUR", BalanceAfterMinor: 30, AccountSeq: 1},
		},
	}
}

const awayAt = event.Micros(1002)

func back() *event.EntryPosted {
	return &event.EntryPosted{
		Kind: event.EntryTransferReturn, Counterparty: "c9.a", TransferID: id("t"), SentAt: awayAt, InboxNext: 8,
		Legs: []event.Leg{
			{AccountID: "c1.a", AmountMinor: 30, Currency: "EUR", BalanceAfterMinor: 100, AccountSeq: 3},
			{AccountID: "@clearing.0.EUR", AmountMinor: -30, Currency: "EUR", BalanceAfterMinor: 0, AccountSeq: 2},
		},
	}
}

func arrived() *event.TransferSettled {
	return &event.TransferSettled{AccountID: "c1.a", TransferID: id("t"), AmountMinor: 30, Currency: "EUR", SentAt: awayAt, InboxNext: 8}
}

// onItsWay returns what an account has sent that has not ended, and how many transfers the index knows.
func (l *log) onItsWay() (amount, transfers int64) {
	l.t.Helper()
	if days := l.row(DaysKey(PendingTransfers)); days != nil && days.Index != nil {
		for _, d := range days.Index.Times {
			transfers += d.Count
		}
	}
	return l.row(AccountKey("c1.a")).Account.InTransitMinor, transfers
}

func TestTransfersAreOnTheirWayUntilTheyEnd(t *testing.T) {
	for name, end := range map[string]fact{"settled": arrived(), "returned": back()} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			l.must(open("c1.a"))
			l.must(entry("d", event.EntryDeposit, 100, 100, 1))
			l.must(away())
			if amount, transfers := l.onItsWay(); amount != 30 || transfers != 1 {
				t.Errorf("got %d on their way in %d transfers, want 30 in 1", amount, transfers)
			}
			if got := l.row(MinuteKey(PendingTransfers, awayAt)).Index.Items; len(got) != 1 || got[0] != (Item{"c1.a", id("t"), awayAt}) {
				t.Errorf("got %v, want the transfer", got)
			}
			if got := l.row(AccountKey("c1.a")).Account.close(); got == nil {
				t.Error("the account may be closed")
			}
			l.must(end)
			if amount, transfers := l.onItsWay(); amount != 0 || transfers != 0 {
				t.Errorf("got %d on their way in %d transfers, want none", amount, transfers)
			}
			if got := l.row(InboxKey()).Inbox.Next; got != 8 {
				t.Errorf("the inbox is at %d, want 8", got)
			}
		})
	}
}

func TestEndThatDoesNotFollowIsRefused(t *testing.T) {
	for name, end := range map[string]fact{"settled": arrived(), "returned": back()} {
		l := newLog(t)
		l.must(open("c1.a"))
		l.must(entry("d", event.EntryDeposit, 100, 100, 1))
		if e, ok := end.(*event.EntryPosted); ok { // that would fit the account
			e.Legs[0].BalanceAfterMinor, e.Legs[0].AccountSeq = 130, 2
			e.Legs[1].BalanceAfterMinor, e.Legs[1].AccountSeq = -30, 1
		}
		if err := l.add(end, nil); !errors.Is(err, ErrBroken) {
			t.Errorf("%s what was never sent: got error %v, want ErrBroken", name, err)
		}
	}
}

func TestInboxNeverGoesBack(t *testing.T) {
	l := newLog(t)
	for _, next := range []int64{5, 9, 7, 0} {
		l.must(&event.CommandRejected{Command: "ReceiveTransfer", InboxNext: next})
	}
	if got := l.row(InboxKey()).Inbox.Next; got != 9 {
		t.Errorf("the inbox is at %d, want 9", got)
	}
}
