package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/refold/refold/schemas/event"
)

// errContent says that bytes are not the content of a command.
var errContent = errors.New("it is not the content of a command")

// wire is the content of a command on its way from or to its fields. Texts have their length in front,
// numbers are varints in zigzag, flags are a byte.
type wire struct {
	b       []byte
	reading bool
	failed  bool
}

// take returns the next n bytes.
func (w *wire) take(n uint64) []byte {
	if n > uint64(len(w.b)) {
		w.failed, w.b = true, nil
		return nil
	}
	out := w.b[:n]
	w.b = w.b[n:]
	return out
}

// took moves behind a number of n bytes; it is none where n is not positive.
func (w *wire) took(n int) { w.failed = w.failed || n <= 0; w.b = w.b[max(n, 0):] }

func (w *wire) text(s *string) {
	if !w.reading {
		w.b = append(binary.AppendUvarint(w.b, uint64(len(*s))), *s...)
		return
	}
	size, n := binary.Uvarint(w.b)
	w.took(n)
	*s = string(w.take(size))
}

func (w *wire) number(n *int64) {
	if !w.reading {
		w.b = binary.AppendVarint(w.b, *n)
		return
	}
	v, size := binary.Varint(w.b)
	w.took(size)
	*n = v
}

func (w *wire) flag(is *bool) {
	if !w.reading {
		b := byte(0)
		if *is {
			b = 1
		}
		w.b = append(w.b, b)
		return
	}
	b := w.take(1)
	*is = len(b) == 1 && b[0] == 1
	w.failed = w.failed || len(b) == 1 && b[0] > 1
}

// time is a time that may be left out.
func (w *wire) time(at **event.Micros) {
	set := *at != nil
	w.flag(&set)
	if !set {
		return
	}
	if w.reading {
		*at = new(event.Micros)
	}
	w.number((*int64)(*at))
}

// legs are the parts of an entry. Each takes some bytes, so there are never more than bytes are left.
func (w *wire) legs(legs *[]Leg) {
	n := int64(len(*legs))
	w.number(&n)
	if n < 0 || w.reading && n > int64(len(w.b)) {
		w.failed = true
		return
	}
	if w.reading {
		*legs = make([]Leg, n)
	}
	for i := range *legs {
		w.text(&(*legs)[i].Account)
		w.number(&(*legs)[i].Amount)
		w.text(&(*legs)[i].Currency)
	}
}

// layout goes through the fields of a command in the order in which they stand in its content.
func (c *Command) layout(w *wire) {
	w.text(&c.Name)
	w.text(&c.Correlation)
	w.flag(&c.Historical)
	w.time(&c.OccurredAt)
	c.subject(w)
	switch c.Name {
	case OpenAccount:
		w.text(&c.Kind)
		w.text(&c.Currency)
		w.number(&c.Overdraft)
		// These came later: they are there where one of them is set.
		if w.reading && len(w.b) > 0 || !w.reading && (c.Daily != 0 || c.Zone != "") {
			w.number(&c.Daily)
			w.text(&c.Zone)
		}
	case PostEntry:
		w.text(&c.Kind)
		w.number(&c.Amount)
		w.text(&c.Currency)
		c.purchase(w)
		w.text(&c.RefundOf)
	case PostEntries:
		w.text(&c.Kind)
		w.legs(&c.Legs)
		c.purchase(w)
	case Transfer:
		w.legs(&c.Legs)
		w.text(&c.Category)
	case PlaceHold:
		w.number(&c.Amount)
		w.text(&c.Currency)
		c.purchase(w)
		w.time(&c.ExpiresAt)
	case CaptureHold:
		w.text(&c.Hold)
		w.text(&c.Kind)
		w.number(&c.Amount)
	case ReleaseHold:
		w.text(&c.Hold)
	case ReverseEntry:
		w.text(&c.Entry)
	case RedeemRewards:
		w.number(&c.Amount)
	case ReceiveTransfer:
		w.number(&c.Amount)
		w.text(&c.Currency)
		w.text(&c.Category)
	case FreezeAccount, UnfreezeAccount, CloseAccount, EndTransfer:
		w.text(&c.Reason)
	default:
		w.failed = true
	}
}

// subject is what a command is about.
func (c *Command) subject(w *wire) {
	switch c.Name {
	case Transfer: // its legs say so
		return
	case ReceiveTransfer:
		w.text(&c.TransferID)
		w.text(&c.Counterparty)
	case EndTransfer:
		w.text(&c.TransferID)
	}
	w.text(&c.Account)
}

func (c *Command) purchase(w *wire) {
	w.text(&c.Merchant)
	w.text(&c.MCC)
	w.text(&c.Category)
}

// Content returns the command as bytes: equal ones of equal commands.
func (c *Command) Content() []byte {
	w := wire{b: make([]byte, 0, 256)}
	c.layout(&w)
	return w.b
}

// Digest returns the digest of the command's content, as it stands in its record.
func (c *Command) Digest() event.CommandHash { return digest(c.Content()) }

func digest(content []byte) event.CommandHash {
	sum := sha256.Sum256(content)
	return event.CommandHash(sum[:16])
}

// Parse returns the command of a content.
func Parse(content []byte) (Command, error) {
	var c Command
	w := wire{b: content, reading: true}
	c.layout(&w)
	if w.failed || len(w.b) > 0 || c.Name == Transfer && len(c.Legs) != 2 {
		return Command{}, errContent
	}
	if c.Name == Transfer {
		c.Account = c.Legs[0].Account
	}
	if !bytes.Equal(c.Content(), content) {
		return Command{}, errContent // a number that is longer than it need be
	}
	return c, nil
}
