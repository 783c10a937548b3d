package transactions

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// Command is a well-formed wish of a customer, or the question what was recorded for a key. It does not
// change.
type Command struct {
	customer    string
	key         string
	principal   string
	correlation string
	historical  bool
	occurredAt  *event.Micros // nil: when it is recorded
	hash        event.CommandHash
	causation   string // the transfer that a message of another partition is about
	inboxNext   int64  // offset after that message; 0 for a command of a caller
	wish        wish   // nil: a question
	sweep       bool   // see ExpireHolds; nothing else is set
}

// wish is what one kind of command wants. One kind is one file.
type wish interface {
	// name is the command's name, as it stands in the log.
	name() string
	// accountID is the customer's account that it is about.
	accountID() string
	// content appends every field to the content that a retry must repeat.
	content(c content) content
	// decide decides by the rows that it asks for. Only a wish of the platform itself may put it off, by
	// returning neither.
	decide(v *view) (fact, *rejection)
	// differs names a field in which the recorded fact differs from the wish, "" where none does.
	differs(f fact) string
}

// broad is a wish that is about more accounts than one.
type broad interface {
	// accountIDs are all accounts of customers that it is about.
	accountIDs(v *view) []string
}

// accountIDs are the accounts of customers that the command is about.
func (c *Command) accountIDs(v *view) []string {
	if b, ok := c.wish.(broad); ok {
		return b.accountIDs(v)
	}
	return []string{c.wish.accountID()}
}

// rejection is why a well-formed command is refused.
type rejection struct{ reason, detail string }

func reject(reason, format string, args ...any) *rejection {
	return &rejection{reason: reason, detail: fmt.Sprintf(format, args...)}
}

// How far from the time of recording a caller may say that something occurred.
const (
	maxAhead = event.Micros(24 * time.Hour / time.Microsecond)
	earliest = event.Micros(-2_208_988_800_000_000) // 1900-01-01
)

// decide is pure: the event that a command becomes, accepted or rejected, as far as the command and the
// state determine it; nil where it is put off. The journal completes the envelope.
func decide(v *view, c *Command) fact {
	r := c.bounded(v.now)
	if r == nil {
		var f fact
		if f, r = c.wish.decide(v); r == nil {
			return f
		}
	}
	return &event.CommandRejected{
		Command:   c.wish.name(),
		AccountID: c.wish.accountID(),
		Reason:    r.reason,
		Detail:    r.detail,
		Content:   c.content(),
	}
}

// bounded refuses a time that cannot be meant.
func (c *Command) bounded(now event.Micros) *rejection {
	switch {
	case c.occurredAt == nil || c.inboxNext > 0: // the partition that sent it has bounded it
		return nil
	case *c.occurredAt < earliest:
		return reject(ReasonOccurredAt, "it occurred at %s, which is before 1900", text(*c.occurredAt))
	case *c.occurredAt > now+maxAhead:
		return reject(ReasonOccurredAt, "it occurred at %s, which is more than 24 hours ahead of %s", text(*c.occurredAt), text(now))
	}
	return nil
}

func text(m event.Micros) string { return m.Time().Format(time.RFC3339Nano) }

// envelope returns what a command says of itself.
func (c *Command) envelope() event.Envelope {
	return event.Envelope{
		EventID:        event.ID(c.customer, c.key),
		CustomerID:     c.customer,
		IdempotencyKey: c.key,
		CommandHash:    c.hash,
		Principal:      c.principal,
		CorrelationID:  c.correlation,
		CausationID:    c.causation,
		Historical:     c.historical,
	}
}

// request is what the requests of all commands have in common.
type request interface {
	GetIdempotencyKey() string
	GetAccountId() string
	GetOccurredAt() *timestamppb.Timestamp
	GetHistorical() bool
	GetCorrelationId() string
}

// commandOf makes a command of any request that is one.
func commandOf(r proto.Message, principal string) (*Command, *Refusal) {
	switch r := r.(type) {
	case *bankv1.OpenAccountRequest:
		return newOpenAccount(r, principal)
	case *bankv1.PostEntryRequest:
		return newPostEntry(r, principal)
	case *bankv1.FreezeAccountRequest:
		return newFreezeAccount(r, principal)
	case *bankv1.UnfreezeAccountRequest:
		return newUnfreezeAccount(r, principal)
	case *bankv1.CloseAccountRequest:
		return newCloseAccount(r, principal)
	case *bankv1.PlaceHoldRequest:
		return newPlaceHold(r, principal)
	case *bankv1.CaptureHoldRequest:
		return newCaptureHold(r, principal)
	case *bankv1.ReleaseHoldRequest:
		return newReleaseHold(r, principal)
	case *bankv1.ReverseEntryRequest:
		return newReverseEntry(r, principal)
	case *bankv1.TransferRequest:
		return newTransfer(r, principal)
	case *bankv1.PostEntriesRequest:
		return newPostEntries(r, principal)
	case *bankv1.RedeemRewardsRequest:
		return newRedeemRewards(r, principal)
	}
	return nil, malformed("command: must be set")
}

// newCommand makes a command of a request. It checks only what the rest of this package relies on;
// everything else is said by the rules in the request's schema.
func newCommand(r request, w wish, principal string) (*Command, *Refusal) {
	customer, ok := customerOf(r.GetAccountId())
	if !ok {
		return nil, malformed("account_id: must be customer.name")
	}
	if r.GetIdempotencyKey() == "" {
		return nil, malformed("idempotency_key: must be set")
	}
	c := &Command{
		customer:    customer,
		key:         r.GetIdempotencyKey(),
		principal:   principal,
		correlation: r.GetCorrelationId(),
		historical:  r.GetHistorical(),
		wish:        w,
	}
	if at := r.GetOccurredAt(); at != nil {
		if err := at.CheckValid(); err != nil {
			return nil, malformed("occurred_at: must be a time between the years 1 and 9999")
		}
		m := event.MicrosOf(at.AsTime())
		c.occurredAt = &m
	}
	c.hash = c.digest()
	return c, nil
}

// customerOf returns the home customer of an account.
func customerOf(account string) (string, bool) {
	customer, name, ok := strings.Cut(account, ".")
	if !ok || customer == "" || name == "" || ledger.Internal(account) || strings.IndexByte(account, 0) >= 0 {
		return "", false
	}
	return customer, true
}

// content is a command in a form in which equal commands have equal bytes, and different ones different
// bytes. It is part of what is stored for ever: a field that comes later is appended, and only where it is
// set, so that a retry of an old command still has the old digest.
type content []byte

func (c content) text(s string) content {
	return append(binary.AppendUvarint(c, uint64(len(s))), s...)
}

func (c content) number(n int64) content { return binary.AppendVarint(c, n) }

func (c content) flag(b bool) content {
	if b {
		return append(c, 1)
	}
	return append(c, 0)
}

// content is everything of a command but its key and who sent it.
func (c *Command) content() content {
	b := make(content, 0, 256)
	b = b.text(c.wish.name()).text(c.correlation).flag(c.historical).flag(c.occurredAt != nil)
	if c.occurredAt != nil {
		b = b.number(int64(*c.occurredAt))
	}
	return c.wish.content(b)
}

// digest is what a record keeps of the content. A rejection keeps the content too: what was not done cannot
// be told from anything else.
func (c *Command) digest() event.CommandHash {
	sum := sha256.Sum256(c.content())
	return event.CommandHash(sum[:16])
}

// differs names a field in which the command is another one than that which became the fact.
func (c *Command) differs(f fact) string {
	e := f.Envelop()
	if r, ok := f.(*event.CommandRejected); ok {
		switch {
		case r.Command != c.wish.name():
			return "the command"
		case r.AccountID != c.wish.accountID():
			return "account_id"
		}
	} else if field := c.wish.differs(f); field != "" {
		return field
	}
	switch {
	case e.CorrelationID != c.correlation:
		return "correlation_id"
	case e.Historical != c.historical:
		return "historical"
	case c.occurredAt != nil && e.OccurredAt != *c.occurredAt:
		return "occurred_at"
	}
	return "a field"
}
