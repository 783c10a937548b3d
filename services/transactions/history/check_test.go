package history

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/refold/refold/schemas/event"
)

type fact = interface{ Envelop() *event.Envelope }

// story is a history and its log, which a test spoils.
type story struct {
	events  []Event
	records []Record
}

// told returns a story of two deposits, a rejection and a hold that is captured.
func told() *story {
	s := &story{}
	s.add("open", &event.AccountOpened{AccountID: "c1.main"})
	s.add("first", entry(100, 100, 1))
	s.add("hold", &event.HoldPlaced{AccountID: "c1.main", AmountMinor: 60})
	s.add("second", entry(5, 105, 2))
	capture := entry(-50, 55, 3)
	capture.HoldID, capture.HoldAmountMinor = "hold", 60
	s.add("capture", capture)
	s.add("no", &event.CommandRejected{Reason: "INSUFFICIENT_FUNDS"})
	return s
}

func entry(amount, after, seq int64) *event.EntryPosted {
	return &event.EntryPosted{Legs: []event.Leg{
		{AccountID: "c1.main", AmountMinor: amount, Currency: "EUR", BalanceAfterMinor: after, AccountSeq: seq},
		{AccountID: "@world.0.EUR", AmountMinor: -amount, Currency: "EUR", BalanceAfterMinor: -after, AccountSeq: seq},
	}}
}

// add appends a record of a key and what its client saw.
func (s *story) add(key string, f fact) {
	n := int64(len(s.records))
	*f.Envelop() = event.Envelope{
		EventID: key, CustomerID: "c1", IdempotencyKey: key, PartitionSeq: n + 1, RecordedAt: event.Micros(n + 1),
	}
	if n > 0 {
		f.Envelop().PrevHash = sha256.Sum256(s.records[n-1].Value)
	}
	s.records = append(s.records, Record{Offset: 2 * n, Value: []byte(key), Fact: f})
	e := Event{Time: time.Unix(n, 0).UTC(), Kind: Invoke, Call: n + 1, Customer: "c1", Key: key, Body: []byte(`{"a":1}`)}
	s.events = append(s.events, e)
	e.Kind, e.Record, e.Answer = OK, &Place{EventID: key, Offset: 2 * n}, []byte(`"done"`)
	if r, no := f.(*event.CommandRejected); no {
		e.Kind, e.Reason = Rejected, r.Reason
	}
	s.events = append(s.events, e)
}

// posted returns the entry of a record.
func (s *story) posted(n int) *event.EntryPosted { return s.records[n].Fact.(*event.EntryPosted) }

func TestCheckFindsNothingInATrueStory(t *testing.T) {
	s := told()
	if got := Check(s.events, s.records); len(got) > 0 {
		t.Errorf("got %q, want nothing", got)
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*story)
		want  string
	}{
		"a key twice":                    {func(s *story) { s.records[3].Fact.Envelop().IdempotencyKey = "first" }, "I-ONCE"},
		"an answer without record":       {func(s *story) { s.records = s.records[:5] }, "I-ACK"},
		"a record at another place":      {func(s *story) { s.records[3].Offset++ }, "I-ACK"},
		"a record nobody asked for":      {func(s *story) { s.events = s.events[2:] }, "I-ACK"},
		"another outcome":                {func(s *story) { s.events[3].Kind = Rejected }, "I-ACK"},
		"an answer that names no record": {func(s *story) { s.events[3].Record = nil }, "I-ACK"},
		"two answers":                    {func(s *story) { s.again(1).Answer = []byte(`"else"`) }, "I-SAME"},
		"an answer to other content":     {func(s *story) { s.again(1).Body = []byte(`{"a":2}`) }, "I-SAME"},
		"refused for nothing": {func(s *story) {
			e := s.again(1)
			e.Kind, e.Record, e.Reason = Rejected, nil, keyReused
		}, "I-SAME"},
		"overtaken":           {func(s *story) { s.events = append(s.events[4:6:6], append(s.events[:4:4], s.events[6:]...)...) }, "I-ORDER"},
		"a gap":               {func(s *story) { s.records[4].Fact.Envelop().PartitionSeq++ }, "I-SEQ"},
		"time stands still":   {func(s *story) { s.records[4].Fact.Envelop().RecordedAt = 4 }, "I-SEQ"},
		"a gap in an account": {func(s *story) { s.posted(3).Legs[0].AccountSeq++ }, "I-SEQ"},
		"a changed record":    {func(s *story) { s.records[1].Value = []byte("x") }, "I-CHAIN"},
		"two successors":      {func(s *story) { s.records[2].Fact.Envelop().PrevHash = s.records[1].Fact.Envelop().PrevHash }, "I-WRITER"},
		"invented money":      {func(s *story) { s.posted(1).Legs[1].AmountMinor++ }, "I-SUM"},
		"invented in all":     {func(s *story) { s.posted(1).Legs[1].AmountMinor++ }, "I-GLOBAL"},
		"below the limit":     {func(s *story) { s.posted(4).Legs[0].AmountMinor = -200 }, "I-FLOOR"},
		"more than was held":  {func(s *story) { s.posted(4).Legs[0].AmountMinor = -61 }, "I-HOLD"},
		"a hold that was not": {func(s *story) { s.posted(4).HoldID = "other" }, "I-HOLD"},
	} {
		t.Run(name, func(t *testing.T) {
			s := told()
			c.spoil(s)
			got := Check(s.events, s.records)
			if !strings.Contains(fmt.Sprint(got), c.want+": ") {
				t.Errorf("got %q, want %s", got, c.want)
			}
		})
	}
}

// again lets a call be made and answered once more, and returns the answer.
func (s *story) again(call int) *Event {
	s.events = append(s.events, s.events[2*call:2*call+2]...)
	return &s.events[len(s.events)-1]
}

func TestDrained(t *testing.T) {
	sent := &event.EntryPosted{Kind: event.EntryTransfer, Counterparty: "c2.main", Legs: []event.Leg{{AmountMinor: -5}}}
	sent.EventID = "t"
	received := &event.EntryPosted{Kind: event.EntryTransfer, Counterparty: "c1.main", TransferID: "t", Legs: []event.Leg{{AmountMinor: 5}}}
	settled := &event.TransferSettled{TransferID: "t"}
	returned := &event.EntryPosted{Kind: event.EntryTransferReturn, TransferID: "t", Legs: []event.Leg{{AmountMinor: 5}}}
	short := &event.EntryPosted{Kind: event.EntryTransfer, TransferID: "t", Legs: []event.Leg{{AmountMinor: 4}}}
	for name, c := range map[string]struct {
		facts []fact
		right bool
	}{
		"settled":                 {[]fact{sent, received, settled}, true},
		"returned":                {[]fact{sent, returned}, true},
		"on its way":              {[]fact{sent}, false},
		"not settled":             {[]fact{sent, received}, false},
		"received twice":          {[]fact{sent, received, received, settled}, false},
		"received and returned":   {[]fact{sent, received, returned}, false},
		"received and never sent": {[]fact{received, settled}, false},
		"less received":           {[]fact{sent, short, settled}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var log []Record
			for _, f := range c.facts {
				log = append(log, Record{Fact: f})
			}
			if got := Drained(log); (len(got) == 0) != c.right {
				t.Errorf("got %q, want right: %v", got, c.right)
			}
		})
	}
}

func TestWriteAndRead(t *testing.T) {
	var lines bytes.Buffer
	want := told().events
	if err := Write(&lines, want); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(&lines); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}
