package transactions

import "github.com/refold/refold/schemas/event"

// relayed is what a command is made of that came as a message of another partition.
type relayed struct {
	source    *event.EntryPosted // that sent the transfer
	id        string             // of the transfer
	customer  string             // in whose partition the command is decided
	key       string
	inboxNext int64 // offset after the message
	wish      wish
}

// newRelayed makes a command that says of itself what the entry said that it goes back to.
func newRelayed(r relayed) *Command {
	c := &Command{
		customer: r.customer, key: r.key, principal: r.source.Principal, correlation: r.source.CorrelationID,
		historical: r.source.Historical, causation: r.id, inboxNext: r.inboxNext, wish: r.wish,
	}
	if at := r.source.OccurredAt; at != r.source.RecordedAt {
		c.occurredAt = &at
	}
	c.hash = c.digest()
	return c
}

// arrived says in a fact which message made it.
func (c *Command) arrived(f fact) {
	switch f := f.(type) {
	case *event.EntryPosted:
		f.InboxNext = c.inboxNext
	case *event.TransferSettled:
		f.InboxNext = c.inboxNext
	case *event.CommandRejected:
		f.InboxNext = c.inboxNext
	}
}
