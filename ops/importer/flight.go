package importer

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
)

// flight is what has been read and has no final answer yet. One goroutine owns it.
//
// A row is held back until the opening of its account is answered. To send it behind the opening is not
// enough: a server that is unavailable for the opening and available again for the row, which is on its
// way already, would reject the row, and a rejection is recorded for ever under the row's key.
type flight struct {
	kind     bankv1.AccountKind
	tag      uint64
	waiting  map[uint64]*command
	ready    []*command
	accounts map[string]*account
	// aloft is the number of commands that the current stream carries and has not answered.
	aloft int
}

// command is one command on its way. Its tag is the number of its place among all commands.
type command struct {
	pb   *bankv1.Command
	row  row
	held bool
	sent bool
}

// account is an account of the file.
type account struct {
	opened bool
	held   []*command
	// refused is the server's answer to the opening, where it was not opened.
	refused *bankv1.Rejection
}

func newFlight(kind bankv1.AccountKind) *flight {
	return &flight{kind: kind, waiting: make(map[uint64]*command), accounts: make(map[string]*account)}
}

// add takes a row in, and opens its account first where it is the account's first row.
func (f *flight) add(r row) {
	a := f.accounts[r.post.AccountId]
	if a == nil {
		a = &account{}
		f.accounts[r.post.AccountId] = a
		f.ready = append(f.ready, f.command(r, &bankv1.Command{Command: &bankv1.Command_OpenAccount{OpenAccount: f.opening(r.post)}}))
	}
	c := f.command(r, &bankv1.Command{Command: &bankv1.Command_PostEntry{PostEntry: r.post}})
	if a.opened {
		f.ready = append(f.ready, c)
		return
	}
	c.held = true
	a.held = append(a.held, c)
}

func (f *flight) command(r row, pb *bankv1.Command) *command {
	f.tag++
	pb.Tag = f.tag
	c := &command{pb: pb, row: r}
	f.waiting[f.tag] = c
	return c
}

func (f *flight) opening(p *bankv1.PostEntryRequest) *bankv1.OpenAccountRequest {
	return &bankv1.OpenAccountRequest{
		IdempotencyKey:      keyOpen,
		AccountId:           p.AccountId,
		Kind:                f.kind,
		Currency:            p.Currency,
		OverdraftLimitMinor: overdraftOpen,
		OccurredAt:          timestamppb.New(p.OccurredAt.AsTime()),
		Historical:          true,
	}
}

// next returns up to n commands that can be sent, without taking them.
func (f *flight) next(n int) []*command { return f.ready[:min(n, len(f.ready))] }

// send marks the first n commands that could be sent as sent.
func (f *flight) send(n int) {
	for _, c := range f.ready[:n] {
		c.sent = true
	}
	f.ready = f.ready[n:]
	f.aloft += n
}

// answered returns the command that an answer of the current stream is to, or nil where there is none.
func (f *flight) answered(tag uint64) *command {
	c := f.waiting[tag]
	if c == nil || !c.sent {
		return nil
	}
	c.sent = false
	f.aloft--
	return c
}

// land takes a command out that has its final answer. Rows that waited for it can be sent.
func (f *flight) land(c *command) {
	delete(f.waiting, c.pb.Tag)
	if c.pb.GetOpenAccount() == nil {
		return
	}
	a := f.accounts[c.row.post.AccountId]
	for _, h := range a.held {
		h.held = false
	}
	f.ready = append(f.ready, a.held...)
	a.opened, a.held = true, nil
}

// rewind makes everything that has no final answer ready to be sent again, in the order of its rows.
func (f *flight) rewind() {
	f.ready = f.ready[:0:0]
	for _, c := range f.waiting {
		if c.sent = false; !c.held {
			f.ready = append(f.ready, c)
		}
	}
	slices.SortFunc(f.ready, func(a, b *command) int { return cmp.Compare(a.pb.Tag, b.pb.Tag) })
	f.aloft = 0
}
