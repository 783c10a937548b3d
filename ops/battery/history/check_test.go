package history

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// at is a time of the test, in seconds.
func at(s int) time.Time { return time.Unix(int64(s), 0) }

func ok(key string, offset int64, begun, ended int) *Op {
	return &Op{
		Call: "PostEntry", Customer: "c", Key: key, Request: json.RawMessage(`{"amount_minor":"5"}`),
		Begun: at(begun), Ended: at(ended), Outcome: OK, Answer: json.RawMessage(fmt.Sprintf(`{"at":%d}`, offset)), Offset: offset,
	}
}

func unknown(key string) *Op {
	o := ok(key, 0, 0, 1)
	o.Outcome, o.Answer = Unknown, nil
	return o
}

func posted(key string, offset int64, legs ...Leg) *Record {
	return &Record{Type: "bank.EntryPosted", Offset: offset, EventID: "e-" + key, Customer: "c", Key: key, Legs: legs}
}

func leg(account string, amount, balance int64) Leg {
	return Leg{Account: account, Amount: amount, Currency: "EUR", Balance: balance}
}

// Every kind of finding, and what is none.
func TestCheck(t *testing.T) {
	changed := func(o *Op, change func(*Op)) *Op {
		change(o)
		return o
	}
	expiry := &Record{Type: "bank.HoldExpired", Offset: 9, EventID: "x", Customer: "c", Key: "expiry of e-k", HoldID: "e-k"}
	capture := posted("capture", 8)
	capture.HoldID = "e-k"
	for name, c := range map[string]struct {
		ops     []*Op
		records []*Record
		want    []Kind
	}{
		"nothing":                 {},
		"all is well":             {[]*Op{ok("k", 1, 0, 1), ok("k", 1, 2, 3), unknown("never")}, []*Record{posted("k", 1)}, nil},
		"unknown and recorded":    {[]*Op{unknown("k")}, []*Record{posted("k", 1)}, nil},
		"lost":                    {[]*Op{ok("k", 1, 0, 1)}, nil, []Kind{Lost}},
		"rejected and lost":       {[]*Op{changed(ok("k", 1, 0, 1), func(o *Op) { o.Outcome = Rejected })}, nil, []Kind{Lost}},
		"doubled":                 {[]*Op{unknown("k")}, []*Record{posted("k", 1), posted("k", 2)}, []Kind{Doubled}},
		"hold ended twice":        {[]*Op{unknown("k"), unknown("capture")}, []*Record{posted("k", 1), capture, expiry}, []Kind{Doubled}},
		"hold expired":            {[]*Op{unknown("k")}, []*Record{posted("k", 1), expiry}, nil},
		"expiry of no hold":       {nil, []*Record{expiry}, []Kind{Unasked}},
		"transfer received":       {[]*Op{unknown("k")}, []*Record{posted("k", 1), posted("transfer e-k", 2)}, nil},
		"transfer received twice": {[]*Op{unknown("k")}, []*Record{posted("k", 1), posted("transfer e-k", 2), posted("transfer e-k", 3)}, []Kind{Doubled}},
		"transfer of nobody":      {nil, []*Record{posted("transfer e-k", 2)}, []Kind{Unasked}},
		"two answers":             {[]*Op{ok("k", 1, 0, 1), ok("k", 2, 2, 3)}, []*Record{posted("k", 1)}, []Kind{Different}},
		"accepted and rejected":   {[]*Op{ok("k", 1, 0, 1), changed(ok("k", 1, 2, 3), func(o *Op) { o.Outcome = Rejected })}, []*Record{posted("k", 1)}, []Kind{Different}},
		"one key, two commands":   {[]*Op{ok("k", 1, 0, 1), changed(ok("k", 1, 2, 3), func(o *Op) { o.Request = json.RawMessage(`{}`) })}, []*Record{posted("k", 1)}, []Kind{Different}},
		"other content refused":   {[]*Op{ok("k", 1, 0, 1), changed(unknown("k"), func(o *Op) { o.Request, o.Outcome = json.RawMessage(`{}`), Refused })}, []*Record{posted("k", 1)}, nil},
		"told another place":      {[]*Op{ok("k", 1, 0, 1)}, []*Record{posted("k", 2)}, []Kind{Different}},
		"accepted, log: rejected": {[]*Op{ok("k", 1, 0, 1)}, []*Record{{Type: "bank.CommandRejected", Offset: 1, Customer: "c", Key: "k"}}, []Kind{Different}},
		"told other legs": {
			[]*Op{changed(ok("k", 1, 0, 1), func(o *Op) {
				o.Answer = json.RawMessage(`{"entry":{"legs":[{"account_id":"c.m","amount_minor":"6","currency":"EUR","balance_after_minor":"6"}]}}`)
			})},
			[]*Record{posted("k", 1, leg("c.m", 5, 5), leg("@world.0.EUR", -5, -5))}, []Kind{Different},
		},
		"unasked":             {nil, []*Record{posted("k", 1)}, []Kind{Unasked}},
		"from nowhere":        {[]*Op{unknown("k")}, []*Record{posted("k", 1, leg("c.m", 5, 5), leg("@fees.0.EUR", -4, -4))}, []Kind{Total}},
		"below the floor":     {[]*Op{unknown("k")}, []*Record{posted("k", 1, leg("c.m", -5, -5), leg("@fees.0.EUR", 5, 5))}, []Kind{Total}},
		"does not add up":     {[]*Op{unknown("k")}, []*Record{posted("k", 1, leg("c.m", 5, 6), leg("@fees.0.EUR", -5, -5))}, []Kind{Total}},
		"left the bank":       {[]*Op{unknown("k"), unknown("l")}, []*Record{posted("k", 1, leg("a.m", 5, 5), leg("@world.0.EUR", -5, -5)), posted("l", 2, leg("a.m", -1, 4), leg("c.m", 1, 1))}, []Kind{Total}},
		"on its way":          {[]*Op{unknown("k"), unknown("l")}, []*Record{posted("k", 1, leg("a.m", 5, 5), leg("@world.0.EUR", -5, -5)), posted("l", 2, leg("a.m", -1, 4), leg("@clearing.1.EUR", 1, 1))}, nil},
		"before its question": {[]*Op{ok("late", 5, 0, 1), ok("soon", 4, 2, 3)}, []*Record{posted("soon", 4), posted("late", 5)}, []Kind{Order}},
		"at the same time":    {[]*Op{ok("late", 5, 0, 3), ok("soon", 4, 2, 4)}, []*Record{posted("soon", 4), posted("late", 5)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			checker := NewChecker()
			for _, o := range c.ops {
				checker.Op(o)
			}
			for _, r := range c.records {
				checker.Record(r)
			}
			var got []Kind
			for _, f := range checker.Close([]string{"a.m", "b.m"}) {
				got = append(got, f.Kind)
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got %v, want %v", checker.findings, c.want)
			}
		})
	}
}

func TestGapIsOfOnePartition(t *testing.T) {
	c := NewChecker()
	for _, o := range []*Op{ok("a", 1, 0, 10), ok("b", 2, 0, 13), ok("c", 3, 0, 14)} {
		c.Op(o)
	}
	other := ok("d", 1, 0, 12)
	other.Partition = 1
	c.Op(other)
	if p, gap := c.Gap(); p != 0 || gap != 3*time.Second {
		t.Errorf("got %s of partition %d, want 3s of partition 0", gap, p)
	}
}

func TestReadReturnsWhatWasWritten(t *testing.T) {
	path := t.TempDir() + "/history"
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	want := ok("k", 7, 1, 2)
	for range 2 {
		if err := w.Write(want); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	err = Read(path, func(got *Op) {
		n++
		if got.Key != want.Key || got.Offset != want.Offset || !got.Ended.Equal(want.Ended) || string(got.Answer) != string(want.Answer) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	if err != nil || n != 2 || w.Count(OK) != 2 {
		t.Errorf("got %d calls, %v, %d counted, want 2", n, err, w.Count(OK))
	}
}
