package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// Request is a command as a client sends it.
type Request interface {
	proto.Message
	GetIdempotencyKey() string
	GetAccountId() string
}

// Answer is what a command is answered with that was accepted.
type Answer interface {
	proto.Message
	GetRecord() *bankv1.Record
	GetReplayed() bool
}

// Ask returns the beginning of a call, but for who asks whom.
func Ask(r Request) Event {
	customer, _, _ := strings.Cut(r.GetAccountId(), ".")
	return Event{
		Customer: customer, Key: r.GetIdempotencyKey(), Command: string(r.ProtoReflect().Descriptor().Name()), Body: text(r),
	}
}

// Accept makes the event the end of a call that was answered.
func (e *Event) Accept(a Answer) {
	e.Kind, e.Record, e.Replayed = OK, placeOf(a.GetRecord()), a.GetReplayed()
	m := proto.Clone(a).ProtoReflect()
	m.Clear(m.Descriptor().Fields().ByName("replayed"))
	e.Answer = text(m.Interface())
}

// Refuse makes the event the end of a call that was refused, and rejected where a record of that is named.
func (e *Event) Refuse(reason, detail string, record *bankv1.Record) {
	e.Kind, e.Reason, e.What = Refused, reason, detail
	if record != nil {
		e.Kind, e.What, e.Record = Rejected, "", placeOf(record)
		e.Answer, _ = json.Marshal(detail) // a string can be printed
	}
}

// Doubt makes the event the end of a call whose outcome is unknown.
func (e *Event) Doubt(reason, detail string) { e.Kind, e.Reason, e.What = Unknown, reason, detail }

func placeOf(r *bankv1.Record) *Place {
	return &Place{EventID: r.GetEventId(), Partition: r.GetPartition(), Offset: r.GetOffset()}
}

// leg is one account's part of an entry as an answer tells it.
type leg struct {
	Account  string `json:"account_id"`
	Amount   int64  `json:"amount_minor,string"`
	Currency string `json:"currency"`
	Balance  int64  `json:"balance_after_minor,string"`
}

func (l leg) is(r event.Leg) bool {
	return l == leg{r.AccountID, r.AmountMinor, r.Currency, r.BalanceAfterMinor}
}

// legs returns the legs of an answer that has an entry.
func legs(answer json.RawMessage) []leg {
	var a struct {
		Entry struct {
			Legs []leg `json:"legs"`
		} `json:"entry"`
	}
	if json.Unmarshal(answer, &a) != nil {
		return nil // it is the detail of a rejection
	}
	return a.Entry.Legs
}

// text is a message as JSON that is always the same: protojson varies its white space on purpose.
func text(m proto.Message) json.RawMessage {
	b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	var out bytes.Buffer
	if err != nil || json.Compact(&out, b) != nil {
		panic(fmt.Sprintf("print %T: %v", m, err)) // every message can be printed
	}
	return out.Bytes()
}
