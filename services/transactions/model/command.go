package model

import (
	"iter"
	"strings"

	"github.com/refold/refold/schemas/event"
)

// Names of commands, as they stand in their contents and in CommandRejected.
const (
	OpenAccount     = "OpenAccount"
	PostEntry       = "PostEntry"
	PostEntries     = "PostEntries"
	Transfer        = "Transfer"
	PlaceHold       = "PlaceHold"
	CaptureHold     = "CaptureHold"
	ReleaseHold     = "ReleaseHold"
	ReverseEntry    = "ReverseEntry"
	FreezeAccount   = "FreezeAccount"
	UnfreezeAccount = "UnfreezeAccount"
	CloseAccount    = "CloseAccount"
	RedeemRewards   = "RedeemRewards"
	ReceiveTransfer = "ReceiveTransfer" // of the bank itself: in the partition of the receiver
	EndTransfer     = "EndTransfer"     // of the bank itself: back in that of the payer
)

// Command is what a customer asked for. Which fields mean something depends on the name; amounts are in
// minor units.
type Command struct {
	Name        string
	Correlation string
	Historical  bool
	OccurredAt  *event.Micros // nil: when it is recorded

	Account          string
	Kind             string // of an account or an entry
	Currency         string
	Amount           int64 // points, where they are redeemed
	Overdraft, Daily int64
	Zone             string
	Merchant         string
	MCC              string
	Category         string
	RefundOf         string
	Hold             string
	ExpiresAt        *event.Micros // nil: after a week
	Entry            string        // to be reversed
	Reason           string        // in the words of who asks; of EndTransfer why it was not received, "" where it was
	TransferID       string
	Counterparty     string // of a transfer that is received: who sent it
	Legs             []Leg
}

// Leg is one account's part of an entry that is asked for. The bank's own accounts are @world and @fees.
type Leg struct {
	Account  string
	Amount   int64
	Currency string
}

// asked returns the commands that a record may be the acceptance of. All of them must come to the same.
func asked(f fact) iter.Seq[Command] {
	return func(yield func(Command) bool) {
		e := f.Envelop()
		for c := range wished(f) {
			c.Correlation, c.Historical = e.CorrelationID, e.Historical
			if c.Account == "" || !belongs(c.Account, e.CustomerID) {
				continue
			}
			// Whether the time was said or taken from the record cannot be seen where the two are one.
			if e.OccurredAt == e.RecordedAt && !yield(c) {
				return
			}
			c.OccurredAt = &e.OccurredAt
			if !yield(c) {
				return
			}
		}
	}
}

func belongs(account, customer string) bool {
	home, ok := event.Home(account)
	return ok && home == customer
}

// wished returns what a record may have been asked by, all but what every command says.
func wished(f fact) iter.Seq[Command] {
	return func(yield func(Command) bool) {
		switch e := f.(type) {
		case *event.AccountOpened:
			yield(Command{
				Name: OpenAccount, Account: e.AccountID, Kind: e.Kind, Currency: e.Currency,
				Overdraft: e.OverdraftLimitMinor, Daily: e.DailyLimitMinor, Zone: e.TimeZone,
			})
		case *event.AccountFrozen:
			yield(Command{Name: FreezeAccount, Account: e.AccountID, Reason: e.Reason})
		case *event.AccountUnfrozen:
			yield(Command{Name: UnfreezeAccount, Account: e.AccountID, Reason: e.Reason})
		case *event.AccountClosed:
			yield(Command{Name: CloseAccount, Account: e.AccountID, Reason: e.Reason})
		case *event.HoldPlaced:
			placed(e, yield)
		case *event.HoldReleased:
			yield(Command{Name: ReleaseHold, Account: e.AccountID, Hold: e.HoldID})
		case *event.TransferSettled:
			yield(Command{Name: EndTransfer, TransferID: e.TransferID, Account: e.AccountID})
		case *event.RewardRedemptionRequested:
			yield(Command{Name: RedeemRewards, Account: e.AccountID, Amount: e.Points})
		case *event.EntryPosted:
			posted(e, yield)
		}
	}
}

func placed(e *event.HoldPlaced, yield func(Command) bool) {
	c := Command{
		Name: PlaceHold, Account: e.AccountID, Amount: e.AmountMinor, Currency: e.Currency,
		Merchant: e.Merchant, MCC: e.MCC, Category: e.Category,
	}
	if e.ExpiresAt == e.RecordedAt+week && !yield(c) {
		return
	}
	c.ExpiresAt = &e.ExpiresAt
	yield(c)
}

func posted(e *event.EntryPosted, yield func(Command) bool) {
	switch {
	case len(e.Legs) == 0:
	case e.Counterparty != "":
		yield(transferred(e))
	case e.HoldID != "":
		c := Command{Name: CaptureHold, Account: e.Legs[0].AccountID, Hold: e.HoldID, Kind: e.Kind, Amount: -e.Legs[0].AmountMinor}
		if yield(c) && c.Amount == e.HoldAmountMinor {
			c.Amount = 0
			yield(c)
		}
	case e.Reverses != "":
		for i := range e.Legs {
			if !yield(Command{Name: ReverseEntry, Account: e.Legs[i].AccountID, Entry: e.Reverses}) {
				return
			}
		}
	default:
		composed(e, yield)
	}
}

// transferred returns what asked for a leg of a transfer between partitions.
func transferred(e *event.EntryPosted) Command {
	first := e.Legs[0]
	switch {
	case e.Kind == event.EntryTransferReturn:
		return Command{Name: EndTransfer, TransferID: e.TransferID, Account: first.AccountID, Reason: e.ReturnReason}
	case e.TransferID != "":
		return Command{
			Name: ReceiveTransfer, TransferID: e.TransferID, Account: first.AccountID, Counterparty: e.Counterparty,
			Amount: first.AmountMinor, Currency: first.Currency, Category: e.Category,
		}
	}
	return Command{Name: Transfer, Account: first.AccountID, Category: e.Category, Legs: []Leg{
		{first.AccountID, first.AmountMinor, first.Currency}, {e.Counterparty, -first.AmountMinor, first.Currency},
	}}
}

// composed yields what may have asked for an entry that neither captures nor reverses anything.
func composed(e *event.EntryPosted, yield func(Command) bool) {
	c := Command{Kind: e.Kind, Merchant: e.Merchant, MCC: e.MCC, Category: e.Category}
	first := e.Legs[0]
	if len(e.Legs) == 2 && event.Internal(e.Legs[1].AccountID) {
		one := c
		one.Name, one.Account, one.Currency, one.RefundOf = PostEntry, first.AccountID, first.Currency, e.RefundOf
		one.Amount = max(first.AmountMinor, -first.AmountMinor)
		if !yield(one) {
			return
		}
	}
	for i := range e.Legs {
		account := e.Legs[i].AccountID
		if side, _, ok := strings.Cut(account, "."); ok && event.Internal(account) {
			account = side
		}
		c.Legs = append(c.Legs, Leg{account, e.Legs[i].AmountMinor, e.Legs[i].Currency})
	}
	if e.Kind == event.EntryTransfer && len(e.Legs) == 2 {
		if !yield(Command{Name: Transfer, Account: first.AccountID, Category: e.Category, Legs: c.Legs}) {
			return
		}
	}
	c.Name = PostEntries
	for i := range e.Legs {
		c.Account = e.Legs[i].AccountID
		if !yield(c) {
			return
		}
	}
}
