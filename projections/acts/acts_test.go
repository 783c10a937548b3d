package acts_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/schemas/event"
)

// act is a short form of an act on the projection p.
func act(kind string, generation, live int64, change ...func(*event.ActRecorded)) event.ActRecorded {
	a := event.ActRecorded{ActID: "id", Kind: kind, Projection: "p", Generation: generation, ExpectedLive: live}
	for _, c := range change {
		c(&a)
	}
	return a
}

func differ(a *event.ActRecorded) { a.Differences = 3 }
func force(a *event.ActRecorded)  { a.Forced = true }
func blank(a *event.ActRecorded)  { a.Reason = " \t" }
func because(a *event.ActRecorded) {
	a.Forced = true
	a.Reason = "because"
}

const (
	created   = event.ActGenerationCreated
	verified  = event.ActGenerationVerified
	promoted  = event.ActGenerationPromoted
	rolled    = event.ActGenerationRolled
	cancelled = event.ActGenerationCancelled
	paused    = event.ActGenerationPaused
	resumed   = event.ActGenerationResumed
	capped    = event.ActGenerationCapped
	retried   = event.ActGenerationRetried
)

func TestFold(t *testing.T) {
	first, second := act(created, 1, 0), act(created, 2, 1)
	same := act(verified, 2, 1)
	for name, c := range map[string]struct {
		before []event.ActRecorded
		act    event.ActRecorded
		refuse string // part of why; "" where it is not refused
		live   int64
	}{
		"the first generation is live":                     {nil, first, "", 1},
		"the second is not":                                {[]event.ActRecorded{first}, second, "", 1},
		"a number is given once":                           {[]event.ActRecorded{first, second}, second, "made meanwhile", 1},
		"promoted when verified":                           {[]event.ActRecorded{first, second, same}, act(promoted, 2, 1), "", 2},
		"not before":                                       {[]event.ActRecorded{first, second}, act(promoted, 2, 1), "was not compared", 1},
		"not with differences":                             {[]event.ActRecorded{first, second, act(verified, 2, 1, differ)}, act(promoted, 2, 1), "differs from the live one in 3 rows", 1},
		"not by force alone":                               {[]event.ActRecorded{first, second}, act(promoted, 2, 1, force), "needs a reason", 1},
		"by force with a reason":                           {[]event.ActRecorded{first, second}, act(promoted, 2, 1, because), "", 2},
		"not twice":                                        {[]event.ActRecorded{first, second, same, act(promoted, 2, 1)}, act(promoted, 2, 2), "live already", 2},
		"not when another is live":                         {[]event.ActRecorded{first, second, act(created, 3, 1), same, act(verified, 3, 1), act(promoted, 2, 1)}, act(promoted, 3, 1), "is live, not 1", 2},
		"not when compared with another":                   {[]event.ActRecorded{first, second, act(created, 3, 1), same, act(verified, 3, 1), act(promoted, 2, 1)}, act(promoted, 3, 2), "not live any more", 2},
		"rolled back":                                      {[]event.ActRecorded{first, second, same, act(promoted, 2, 1)}, act(rolled, 2, 2), "", 1},
		"not what is not live":                             {[]event.ActRecorded{first, second, same}, act(rolled, 2, 1), "is not live", 1},
		"not beyond the first":                             {[]event.ActRecorded{first}, act(rolled, 1, 1), "no generation of p to go back to", 1},
		"not to what is gone":                              {[]event.ActRecorded{first, second, same, act(promoted, 2, 1), act(cancelled, 1, 2)}, act(rolled, 2, 2), "to go back to", 2},
		"cancelled":                                        {[]event.ActRecorded{first, second}, act(cancelled, 2, 1), "", 1},
		"not what is live":                                 {[]event.ActRecorded{first, second}, act(cancelled, 1, 1), "is live and cannot", 1},
		"what is cancelled stays so":                       {[]event.ActRecorded{first, second, act(cancelled, 2, 1)}, same, "is cancelled", 1},
		"not what never was":                               {[]event.ActRecorded{first}, act(verified, 7, 1), "no generation 7", 1},
		"a promotion drops what was before the one before": {[]event.ActRecorded{first, second, act(created, 3, 1), same, act(promoted, 2, 1), act(verified, 3, 2), act(promoted, 3, 2)}, act(verified, 1, 3), "generation 1 of p is cancelled", 3},
		"and keeps the one before":                         {[]event.ActRecorded{first, second, act(created, 3, 1), same, act(promoted, 2, 1), act(verified, 3, 2), act(promoted, 3, 2)}, act(rolled, 3, 3), "", 2},
		"paused":                                           {[]event.ActRecorded{first, second}, act(paused, 2, 1), "", 1},
		"not twice paused":                                 {[]event.ActRecorded{first, second, act(paused, 2, 1)}, act(paused, 2, 1), "paused already", 1},
		"not the live one":                                 {[]event.ActRecorded{first}, act(paused, 1, 1), "cannot be paused", 1},
		"resumed":                                          {[]event.ActRecorded{first, second, act(paused, 2, 1)}, act(resumed, 2, 1), "", 1},
		"not what runs":                                    {[]event.ActRecorded{first, second}, act(resumed, 2, 1), "not paused", 1},
		"what is promoted runs":                            {[]event.ActRecorded{first, second, same, act(paused, 2, 1), act(promoted, 2, 1)}, act(resumed, 2, 2), "not paused", 2},
		"no cap on the live one":                           {[]event.ActRecorded{first}, act(capped, 1, 1), "as fast as it can", 1},
		"no pause of what was live and may emit yet":       {[]event.ActRecorded{first, second, same, act(promoted, 2, 1), act(rolled, 2, 2)}, act(paused, 2, 1), "cannot be paused", 1},
		"nor a cap":                                        {[]event.ActRecorded{first, second, same, act(promoted, 2, 1), act(rolled, 2, 2)}, act(capped, 2, 1), "as fast as it can", 1},
		"not what is paused tries again":                   {[]event.ActRecorded{first, second, act(paused, 2, 1)}, act(retried, 2, 1), "resume it", 1},
		"a reason is more than spaces":                     {[]event.ActRecorded{first, second}, act(promoted, 2, 1, because, blank), "needs a reason", 1},
		"promoted again after a roll-back":                 {[]event.ActRecorded{first, second, same, act(promoted, 2, 1), act(rolled, 2, 2)}, act(promoted, 2, 1), "", 2},
		"the number after a cancelled one is the next":     {[]event.ActRecorded{first, second, act(cancelled, 2, 1)}, act(created, 3, 1), "", 1},
	} {
		s := &acts.State{}
		for i, a := range c.before {
			var refused *acts.Refusal
			if s, refused = s.Fold(int64(i), a); refused != nil {
				t.Fatalf("%s: act %d: %v", name, i, refused)
			}
		}
		before := s.Projection("p")
		after, refused := s.Fold(int64(len(c.before)), c.act)
		switch {
		case refused == nil && c.refuse != "":
			t.Errorf("%s: it was not refused", name)
		case refused != nil && (c.refuse == "" || !strings.Contains(refused.Why, c.refuse)):
			t.Errorf("%s: refused: %s", name, refused.Why)
		}
		if got := after.Projection("p").Live; got != c.live {
			t.Errorf("%s: generation %d is live, want %d", name, got, c.live)
		}
		if after.Next != int64(len(c.before))+1 {
			t.Errorf("%s: next is %d", name, after.Next)
		}
		if s.Projection("p").Live != before.Live || len(s.Projection("p").Generations) != len(before.Generations) {
			t.Errorf("%s: the state before was changed", name)
		}
	}
}

// What is decided about a row is kept in its order, and names a row and an event.
func TestActsAboutRows(t *testing.T) {
	about := func(kind, row, reason string) event.ActRecorded {
		return act(kind, 1, 1, func(a *event.ActRecorded) {
			a.Row, a.Reason, a.Positions = row, reason, []event.TopicPosition{{Topic: "t", Partition: 2, Offset: 7}}
		})
	}
	s, _ := new(acts.State).Fold(0, act(created, 1, 0))
	nowhere := about(event.ActRowRetried, "6131", "")
	nowhere.Positions = nil
	for _, a := range []event.ActRecorded{about(event.ActRowDiscarded, "6131", " "), about(event.ActRowRetried, "", ""), about(event.ActRowRetried, "x", ""), nowhere} {
		after, refused := s.Fold(1, a)
		if refused == nil || len(after.Projection("p").Rows) > 0 {
			t.Errorf("%+v was not refused", a)
		}
	}
	one, refused := s.Fold(1, about(event.ActRowRetried, "6131", ""))
	if refused != nil {
		t.Fatal(refused)
	}
	two, refused := one.Fold(2, about(event.ActRowDiscarded, "6131", "it never was"))
	if refused != nil {
		t.Fatal(refused)
	}
	want := []acts.RowAct{{Partition: 2, Key: "a1", Topic: "t", Position: 7}, {Partition: 2, Key: "a1", Topic: "t", Position: 7, Discarded: true}}
	if got := two.Projection("p").Rows; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := one.Projection("p").Rows; !slices.Equal(got, want[:1]) {
		t.Errorf("the state before was changed: %v", got)
	}
}
