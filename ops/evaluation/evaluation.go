// Package evaluation judges the credit score by loans whose end is known.
//
// The transactions of a file become the events that an import of them would make; the projection itself
// folds them, without a broker; and every account is scored on the day on which its loan was granted, from
// what had happened before that day. A good score tells the loans that ended well from those that did not.
package evaluation

import (
	"context"
	"fmt"
	"time"

	"github.com/refold/refold/ops/importer"
	"github.com/refold/refold/projections/creditscore"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// Case is an account with a loan whose end is known.
type Case struct {
	Account   string
	Granted   time.Time
	Good      bool
	Judgement creditscore.Judgement
}

// Read scores the accounts of a folder with the files loans.csv.gz and transactions.csv.gz of the PKDD'99
// challenge, with the model in force. Accounts without transactions before their loan are left out.
func Read(ctx context.Context, folder string) ([]Case, error) {
	loans, err := readLoans(folder + "/loans.csv.gz")
	if err != nil {
		return nil, err
	}
	f, err := newFold(ctx, loans)
	if err != nil {
		return nil, err
	}
	format, err := importer.Lookup("berka")
	if err != nil {
		return nil, err
	}
	if err := importer.Read(format, folder+"/transactions.csv.gz", f.take); err != nil {
		return nil, err
	}
	return f.cases(loans)
}

// fold folds commands as events.
type fold struct {
	granted        map[string]time.Time // by account
	opened, posted *codec.Encoder
	folder         projection.Folder
	offset         int64
}

// nothing is the base of a folder that has stored nothing.
type nothing struct{}

// Load implements projection.Base.
func (nothing) Load([]byte) ([]byte, error) { return nil, nil }

func newFold(ctx context.Context, loans []loan) (*fold, error) {
	c := codec.New(new(codec.Local))
	f := &fold{granted: make(map[string]time.Time), folder: creditscore.Definition().NewFolder(c, nothing{})}
	for _, l := range loans {
		f.granted[l.account] = l.granted
	}
	var err error
	if f.opened, err = c.Encoder(ctx, topic.Transactions, event.NameAccountOpened); err != nil {
		return nil, err
	}
	f.posted, err = c.Encoder(ctx, topic.Transactions, event.NameEntryPosted)
	return f, err
}

// take folds a command, unless it is of the day of the grant or later: nobody knew of it.
func (f *fold) take(c *bankv1.Command) error {
	if o := c.GetOpenAccount(); o != nil {
		return f.fold(f.opened, o.AccountId, &event.AccountOpened{
			Envelope: envelope(o.AccountId, o.OccurredAt.AsTime()), AccountID: o.AccountId,
			Kind: event.AccountCurrent, Currency: o.Currency, OverdraftLimitMinor: o.OverdraftLimitMinor,
		})
	}
	p := c.GetPostEntry()
	at := p.OccurredAt.AsTime()
	if granted, ok := f.granted[p.AccountId]; ok && !at.Before(granted) {
		return nil
	}
	kind, amount := entry(p)
	return f.fold(f.posted, p.AccountId, &event.EntryPosted{
		Envelope: envelope(p.AccountId, at), Kind: kind, Category: p.Category,
		Legs: []event.Leg{{AccountID: p.AccountId, AmountMinor: amount, Currency: p.Currency}},
	})
}

func envelope(account string, at time.Time) event.Envelope {
	customer, _ := event.Home(account)
	return event.Envelope{CustomerID: customer, OccurredAt: event.MicrosOf(at), Historical: true}
}

// entry returns the kind of an entry as events have it, and what it does to the balance.
func entry(p *bankv1.PostEntryRequest) (kind string, amount int64) {
	switch p.Kind {
	case bankv1.EntryKind_ENTRY_KIND_DEPOSIT:
		return event.EntryDeposit, p.AmountMinor
	case bankv1.EntryKind_ENTRY_KIND_INTEREST:
		return event.EntryInterest, p.AmountMinor
	case bankv1.EntryKind_ENTRY_KIND_FEE:
		return event.EntryFee, -p.AmountMinor
	default: // the files have no others
		return event.EntryWithdrawal, -p.AmountMinor
	}
}

func (f *fold) fold(e *codec.Encoder, account string, fact any) error {
	value, err := e.Append(nil, fact)
	if err != nil {
		return err
	}
	f.offset++
	return f.folder.Fold(&timeline.Record{Topic: topic.Transactions, Offset: f.offset, Key: []byte(account), Value: value})
}

// cases scores the accounts of the loans.
func (f *fold) cases(loans []loan) ([]Case, error) {
	models := creditscore.Models()
	model := models[len(models)-1]
	var out []Case
	for _, l := range loans {
		customer, _ := event.Home(l.account)
		row, err := projection.Peek[creditscore.Row](f.folder, creditscore.Key(customer))
		if err != nil {
			return nil, fmt.Errorf("score %s: %w", l.account, err)
		}
		if row == nil {
			continue
		}
		out = append(out, Case{Account: l.account, Granted: l.granted, Good: l.good, Judgement: model.Judge(row, l.granted)})
	}
	return out, nil
}
