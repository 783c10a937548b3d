package history

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/refold/refold/schemas/event"
)

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
func (s *story) add(key string, f Fact) {
	s.write(key, f)
	r := &s.records[len(s.records)-1]
	e := Event{Time: time.Unix(r.Offset, 0).UTC(), Kind: Invoke, Call: r.Offset + 1, Customer: "c1", Key: key, Body: []byte(`{"a":1}`)}
	s.events = append(s.events, e)
	place := r.place()
	e.Kind, e.Record, e.Answer = OK, &place, []byte(`"done"`)
	if r, no := f.(*event.CommandRejected); no {
		e.Kind, e.Reason = Rejected, r.Reason
	}
	s.events = append(s.events, e)
}

// write appends a record of a key.
func (s *story) write(key string, f Fact) {
	n := int64(len(s.records))
	*f.Envelop() = event.Envelope{
		EventID: key, CustomerID: "c1", IdempotencyKey: key, PartitionSeq: n + 1, RecordedAt: event.Micros(n + 1),
	}
	if n > 0 {
		f.Envelop().PrevHash = sha256.Sum256(s.records[n-1].Value)
	}
	s.records = append(s.records, Record{Offset: 2 * n, Value: []byte(key), Fact: f})
}

// posted returns the entry of a record.
func (s *story) posted(n int) *event.EntryPosted { return s.records[n].Fact.(*event.EntryPosted) }

// again lets a call be made and answered once more, and returns the answer.
func (s *story) again(call int) *Event {
	s.events = append(s.events, s.events[2*call:2*call+2]...)
	return &s.events[len(s.events)-1]
}

// refused lets a call be made again and be refused.
func (s *story) refused(call int, reason string) *Event {
	e := s.again(call)
	e.Kind, e.Record, e.Reason = Refused, nil, reason
	return e
}

// unknown makes the outcome of a call unknown, and returns the end of the call.
func (s *story) unknown(call int) *Event {
	e := &s.events[2*call+1]
	e.Kind, e.Record, e.Answer = Unknown, nil, nil
	return e
}

// other makes a call that was just made again one for other content.
func (s *story) other() {
	for i := len(s.events) - 2; i < len(s.events); i++ {
		s.events[i].Body = []byte(`{"a":2}`)
	}
}

// What may happen, and is not wrong.
func TestCheckFindsNothingInATrueStory(t *testing.T) {
	for name, change := range map[string]func(*story){
		"as it is":              func(*story) {},
		"answered again":        func(s *story) { s.again(1).Replayed = true },
		"unknown and recorded":  func(s *story) { s.unknown(1) },
		"unknown and lost":      func(s *story) { s.unknown(5); s.records = s.records[:5] },
		"other content refused": func(s *story) { s.refused(1, keyReused); s.other() },
		"not the owner":         func(s *story) { s.refused(1, "NOT_OWNER") },
		"refused and not there": func(s *story) {
			s.refused(5, "BUSY")
			s.unknown(5).Kind = Refused
			s.events[11].Reason = "BUSY"
			s.records = s.records[:5]
		},
		"a fault":          func(s *story) { s.events = append([]Event{{Kind: Fault, What: "SIGKILL"}}, s.events...) },
		"at the same time": func(s *story) { s.events[5], s.events[6] = s.events[6], s.events[5] },
		"a hold that expired": func(s *story) {
			s.add("more", &event.HoldPlaced{AccountID: "c1.main", AmountMinor: 5})
			s.write("expiry of more", &event.HoldExpired{AccountID: "c1.main", HoldID: "more"})
		},
		"a transfer that came": func(s *story) { s.write("transfer first", entry(1, 56, 4)) },
		"the same legs":        func(s *story) { s.events[3].Answer = legsOf(100) },
	} {
		t.Run(name, func(t *testing.T) {
			s := told()
			change(s)
			if got := Check(s.events, s.records); len(got) > 0 {
				t.Errorf("got %q, want nothing", got)
			}
		})
	}
}

// legsOf is an answer that tells the first leg of a deposit, and the other one.
func legsOf(amount int64) json.RawMessage {
	return fmt.Appendf(nil, `{"entry":{"legs":[`+
		`{"account_id":"c1.main","amount_minor":"%[1]d","currency":"EUR","balance_after_minor":"%[1]d"},`+
		`{"account_id":"@world.0.EUR","amount_minor":"-%[1]d","currency":"EUR","balance_after_minor":"-%[1]d"}]}}`, amount)
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(*story)
		breach Breach
		want   string
	}{
		"a key twice":                    {func(s *story) { s.records[3].Fact.Envelop().IdempotencyKey = "first" }, Doubled, "I-ONCE"},
		"a key twice, and never known":   {func(s *story) { s.unknown(1); s.write("first", entry(1, 56, 4)) }, Doubled, "I-ONCE"},
		"an answer without record":       {func(s *story) { s.records = s.records[:4] }, Lost, "I-ACK"},
		"a rejection without record":     {func(s *story) { s.records = s.records[:5] }, Lost, "I-ACK"},
		"a record at another place":      {func(s *story) { s.records[3].Offset++ }, Different, "I-ACK"},
		"a record nobody asked for":      {func(s *story) { s.events = s.events[2:] }, Unasked, "I-ACK"},
		"a record that was refused":      {func(s *story) { s.unknown(1).Kind = Refused; s.events[3].Reason = "BUSY" }, Unasked, "I-ACK"},
		"a record of somebody else":      {func(s *story) { s.records = append(s.records, Record{Offset: 99}) }, Unasked, "I-ACK"},
		"an expiry of no hold":           {func(s *story) { s.write("expiry of x", &event.CommandRejected{}) }, Unasked, "I-ACK"},
		"a transfer of nobody":           {func(s *story) { s.write("transfer x", entry(1, 56, 4)) }, Unasked, "I-ACK"},
		"a transfer that came twice":     {func(s *story) { s.write("transfer first", entry(1, 56, 4)); s.write("transfer first", entry(1, 57, 5)) }, Doubled, "I-ONCE"},
		"another outcome":                {func(s *story) { s.events[3].Kind = Rejected }, Different, "I-ACK"},
		"another reason":                 {func(s *story) { s.events[11].Reason = "ACCOUNT_CLOSED" }, Different, "I-ACK"},
		"other legs":                     {func(s *story) { s.events[3].Answer = legsOf(101) }, Different, "I-ACK"},
		"an answer that names no record": {func(s *story) { s.events[3].Record = nil }, Lost, "I-ACK"},
		"a refusal that names no record": {func(s *story) { s.refused(1, "INSUFFICIENT_FUNDS") }, Lost, "I-ACK"},
		"two answers":                    {func(s *story) { s.again(1).Answer = []byte(`"else"`) }, Different, "I-SAME"},
		"accepted and rejected":          {func(s *story) { s.again(1).Kind = Rejected }, Different, "I-SAME"},
		"an answer to other content":     {func(s *story) { s.again(1); s.other() }, Different, "I-SAME"},
		"an answer to another command":   {func(s *story) { s.again(1).Command = "TransferRequest" }, Different, "I-SAME"},
		"refused for nothing":            {func(s *story) { s.refused(1, keyReused) }, Different, "I-SAME"},
		"overtaken":                      {func(s *story) { s.events = append(s.events[4:6:6], append(s.events[:4:4], s.events[6:]...)...) }, Disorder, "I-ORDER"},
		"a gap":                          {func(s *story) { s.records[4].Fact.Envelop().PartitionSeq++ }, Broken, "I-SEQ"},
		"time stands still":              {func(s *story) { s.records[4].Fact.Envelop().RecordedAt = 4 }, Broken, "I-SEQ"},
		"a gap in an account":            {func(s *story) { s.posted(3).Legs[0].AccountSeq++ }, Broken, "I-SEQ"},
		"a changed record":               {func(s *story) { s.records[1].Value = []byte("x") }, Broken, "I-CHAIN"},
		"two successors":                 {func(s *story) { s.records[2].Fact.Envelop().PrevHash = s.records[1].Fact.Envelop().PrevHash }, Broken, "I-WRITER"},
		"invented money":                 {func(s *story) { s.posted(1).Legs[1].AmountMinor++ }, Totals, "I-SUM"},
		"invented in all":                {func(s *story) { s.posted(1).Legs[1].AmountMinor++ }, Totals, "I-GLOBAL"},
		"a balance that is none":         {func(s *story) { s.posted(1).Legs[0].BalanceAfterMinor++ }, Totals, "I-GLOBAL"},
		"below the limit":                {func(s *story) { s.posted(4).Legs[0].AmountMinor = -200 }, Totals, "I-FLOOR"},
		"more than was held":             {func(s *story) { s.posted(4).Legs[0].AmountMinor = -61 }, Totals, "I-HOLD"},
		"a hold that was not":            {func(s *story) { s.posted(4).HoldID = "other" }, Doubled, "I-HOLD"},
		"a hold that ended twice": {func(s *story) {
			s.write("expiry of hold", &event.HoldExpired{AccountID: "c1.main", HoldID: "hold"})
		}, Doubled, "I-HOLD"},
	} {
		t.Run(name, func(t *testing.T) {
			s := told()
			c.spoil(s)
			if got := Check(s.events, s.records); !holds(got, c.breach, c.want) {
				t.Errorf("got %q, want %s of %s", got, c.breach, c.want)
			}
		})
	}
}

// holds tells whether there is a finding of a breach of an invariant.
func holds(all []Finding, b Breach, invariant string) bool {
	for _, f := range all {
		if f.Breach == b && strings.HasPrefix(f.What, invariant+": ") {
			return true
		}
	}
	return false
}
