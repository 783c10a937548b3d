package transactions

import (
	"context"
	"errors"
	"fmt"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
)

// fact is an event of the journal.
type fact interface{ Envelop() *event.Envelope }

// facts returns a new, empty fact of every kind that the journal holds, by the name of its event.
func facts() map[string]func() fact {
	return map[string]func() fact{
		event.NameAccountOpened:             func() fact { return &event.AccountOpened{} },
		event.NameAccountFrozen:             func() fact { return &event.AccountFrozen{} },
		event.NameAccountUnfrozen:           func() fact { return &event.AccountUnfrozen{} },
		event.NameAccountClosed:             func() fact { return &event.AccountClosed{} },
		event.NameHoldPlaced:                func() fact { return &event.HoldPlaced{} },
		event.NameHoldReleased:              func() fact { return &event.HoldReleased{} },
		event.NameHoldExpired:               func() fact { return &event.HoldExpired{} },
		event.NameEntryPosted:               func() fact { return &event.EntryPosted{} },
		event.NameRewardRedemptionRequested: func() fact { return &event.RewardRedemptionRequested{} },
		event.NameCommandRejected:           func() fact { return &event.CommandRejected{} },
		event.NameTransferSettled:           func() fact { return &event.TransferSettled{} },
	}
}

func factNamed(name string) (fact, error) {
	switch name { // the three that are read all the time need no map
	case event.NameEntryPosted:
		return &event.EntryPosted{}, nil
	case event.NameAccountOpened:
		return &event.AccountOpened{}, nil
	case event.NameCommandRejected:
		return &event.CommandRejected{}, nil
	}
	if empty := facts()[name]; empty != nil {
		return empty(), nil
	}
	return nil, fmt.Errorf("%s is no event of the journal", name)
}

// DecodeFact decodes the value of a record of the journal: a pointer to one of the events of package event.
// The error wraps codec.ErrNotWireFormat where somebody else wrote it.
func DecodeFact(ctx context.Context, c *codec.Codec, value []byte) (interface{ Envelop() *event.Envelope }, error) {
	s, err := c.Lookup(ctx, value)
	if err != nil {
		return nil, err
	}
	f, err := factNamed(s.Name)
	if err != nil {
		return nil, err
	}
	return f, s.Decode(value, f)
}

// nameOf returns the name of a fact's event.
func nameOf(f fact) string {
	switch f.(type) {
	case *event.AccountOpened:
		return event.NameAccountOpened
	case *event.AccountFrozen:
		return event.NameAccountFrozen
	case *event.AccountUnfrozen:
		return event.NameAccountUnfrozen
	case *event.AccountClosed:
		return event.NameAccountClosed
	case *event.HoldPlaced:
		return event.NameHoldPlaced
	case *event.HoldReleased:
		return event.NameHoldReleased
	case *event.HoldExpired:
		return event.NameHoldExpired
	case *event.EntryPosted:
		return event.NameEntryPosted
	case *event.TransferSettled:
		return event.NameTransferSettled
	case *event.RewardRedemptionRequested:
		return event.NameRewardRedemptionRequested
	}
	return event.NameCommandRejected
}

// encoders turn facts into the values of records, by the names of their events.
type encoders map[string]*codec.Encoder

// openEncoders registers the schemas of all facts.
func openEncoders(ctx context.Context, c *codec.Codec, topic string) (encoders, error) {
	out := make(encoders)
	var problems []error
	for name := range facts() {
		e, err := c.Encoder(ctx, topic, name)
		out[name] = e
		problems = append(problems, err)
	}
	return out, errors.Join(problems...)
}

func (e encoders) encode(f fact) ([]byte, error) {
	// Most records fit; one that does not is grown.
	return e[nameOf(f)].Append(make([]byte, 0, 384), f)
}
