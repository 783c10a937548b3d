package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/refold/refold/streams/timeline"
)

// logOf logs rounds, each release by itself, and returns the records, the later of those with one key only, as a
// compacted topic keeps them.
func logOf(t *testing.T, c *course, releases ...[]round) (kept []round) {
	t.Helper()
	for _, rounds := range releases {
		records, err := c.follow(rounds)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if err := c.add(r); err != nil {
				t.Fatal(err)
			}
			kept = slices.DeleteFunc(kept, func(k round) bool { return slices.Equal(k.begin, r.begin) })
			kept = append(kept, r)
		}
	}
	return kept
}

// Rounds in which the same one source moves alone are one record; those in which several move are records of their own.
func TestRoundsOfOneSourceShareARecord(t *testing.T) {
	var c course
	kept := logOf(t, &c,
		[]round{{vector{0, 0}, vector{3, 0}}, {vector{3, 0}, vector{5, 0}}},
		[]round{{vector{5, 0}, vector{6, 0}}},
		[]round{{vector{6, 0}, vector{8, 2}}, {vector{8, 2}, vector{9, 4}}, {vector{9, 4}, vector{9, 5}}},
		[]round{{vector{9, 5}, vector{9, 7}}, {vector{9, 7}, vector{10, 7}}},
	)
	want := "[{[0 0] [6 0]} {[6 0] [8 2]} {[8 2] [9 4]} {[9 4] [9 7]} {[9 7] [10 7]}]"
	if got := fmt.Sprint(kept); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var again course
	for _, r := range kept {
		if err := again.add(r); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(all(&again)); got != want || fmt.Sprint(all(&c)) != want {
		t.Errorf("got %s and %v, want %s", got, all(&c), want)
	}
}

func TestARoundIsLoggedOnce(t *testing.T) {
	var c course
	first := []round{{vector{0, 0}, vector{3, 1}}, {vector{3, 1}, vector{5, 1}}, {vector{5, 1}, vector{6, 1}}}
	logOf(t, &c, first)
	for _, again := range [][]round{first, first[:1], first[1:2], first[2:], {{vector{4, 1}, vector{6, 1}}}} {
		if records, err := c.follow(again); err != nil || len(records) > 0 {
			t.Errorf("%v: got %v, %v, want nothing to be logged", again, records, err)
		}
	}
	for _, other := range []round{
		{vector{0, 0}, vector{3, 0}}, // another one from the same place
		{vector{0, 0}, vector{5, 1}}, // to a place on the way, by another way
		{vector{5, 1}, vector{9, 1}}, // from before the end
		{vector{7, 1}, vector{9, 1}}, // from beyond it
	} {
		if records, err := c.follow([]round{other}); !errors.Is(err, errOverruled) {
			t.Errorf("%v: got %v, %v, want %v", other, records, err, errOverruled)
		}
		if err := c.add(other); !errors.Is(err, errCourse) {
			t.Errorf("%v: got %v, want %v", other, err, errCourse)
		}
	}
}

func TestARowBesideTheRoundsIsFound(t *testing.T) {
	var c course
	logOf(t, &c, []round{{vector{0, 0}, vector{3, 0}}, {vector{3, 0}, vector{5, 4}}})
	for _, good := range []vector{{0, 0}, {2, 0}, {3, 0}, {4, 1}, {5, 3}, {5, 4}} {
		r, more, err := c.at(good)
		if err != nil || more != (good.sum() < 9) || more && !r.end.covers(good) {
			t.Errorf("%v: got %v, %v, %v", good, r, more, err)
		}
	}
	for _, bad := range []vector{{1, 1}, {2, 2}, {6, 4}, {6, 0}} {
		if _, _, err := c.at(bad); !errors.Is(err, errCourse) {
			t.Errorf("%v: got %v, want %v", bad, err, errCourse)
		}
	}
}

var twoSources = []string{"a", "b"}

// numbered is a record that was recorded at a time.
func numbered(topic string, offset, at int64) *timeline.Record {
	return &timeline.Record{Topic: topic, Offset: offset, LeaderEpoch: int32(at)}
}

func newNumbered(at vector) *merger {
	return newMerger(twoSources, at, func(r *timeline.Record) (int64, error) { return int64(r.LeaderEpoch), nil })
}

func batchOf(from, end int64, records ...*timeline.Record) timeline.Batch {
	return timeline.Batch{Topic: records[0].Topic, From: from, Records: records, Next: records[len(records)-1].Offset + 1, End: end}
}

func orderOf(records []*timeline.Record) string {
	out := ""
	for _, r := range records {
		out += fmt.Sprint(r.Topic, r.Offset, " ")
	}
	return out
}

func mustAdd(t *testing.T, m *merger, b timeline.Batch) {
	t.Helper()
	if err := m.add(b); err != nil {
		t.Fatal(err)
	}
}

func TestEventsOfARoundComeByTheirTime(t *testing.T) {
	m := newNumbered(vector{0, 0})
	mustAdd(t, m, batchOf(0, 4, numbered("a", 0, 5), numbered("a", 1, 2), numbered("a", 3, 7)))
	mustAdd(t, m, batchOf(0, 3, numbered("b", 0, 4), numbered("b", 1, 5), numbered("b", 2, 7)))
	m.saw(0, 4)
	m.saw(1, 3)
	p, ok := m.take(nil, 100)
	if got, want := orderOf(p.records), "b0 a0 a1 b1 a3 b2 "; !ok || got != want {
		t.Errorf("got %s, want %s: none before another one of its partition, ties by topic", got, want)
	}
	if got, want := fmt.Sprint(p.round), "{[0 0] [4 3]}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Without a logged round, a round ends where it is not known which event is next.
func TestARoundEndsWhereASourceIsWaitedFor(t *testing.T) {
	m := newNumbered(vector{0, 0})
	mustAdd(t, m, batchOf(0, 9, numbered("a", 0, 1), numbered("a", 1, 5)))
	if _, ok := m.take(nil, 100); ok {
		t.Error("it is not known where b ends, and there is a round")
	}
	m.saw(0, 9)
	m.saw(1, 2)
	if _, ok := m.take(nil, 100); ok {
		t.Error("the next event of b is not here, and there is a round")
	}
	mustAdd(t, m, batchOf(0, 2, numbered("b", 0, 3)))
	if p, _ := m.take(nil, 100); orderOf(p.records) != "a0 b0 " {
		t.Errorf("got %s", orderOf(p.records))
	}
	mustAdd(t, m, batchOf(1, 2, numbered("b", 1, 4)))
	if p, _ := m.take(nil, 100); orderOf(p.records) != "b1 a1 " || !slices.Equal(p.end, vector{2, 2}) {
		t.Errorf("got %s to %v: b is at its end", orderOf(p.records), p.end)
	}
	if err := m.add(batchOf(5, 9, numbered("a", 5, 1))); !errors.Is(err, timeline.ErrHole) {
		t.Errorf("got %v, want %v", err, timeline.ErrHole)
	}
}

// However records come, and wherever folding stops and begins again, the logged rounds give one order.
func TestLoggedRoundsGiveOneOrder(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var logs [2][]*timeline.Record
		for i, topic := range twoSources {
			at := int64(0)
			for offset := int64(rng.IntN(2)); offset < 30; offset += 1 + int64(rng.IntN(3)) {
				at += int64(rng.IntN(5)) - 1
				logs[i] = append(logs[i], numbered(topic, offset, at))
			}
		}
		var c course
		want := wander(t, rng, logs, &c, true)
		for range 3 {
			if got := wander(t, rng, logs, &c, false); got != want {
				t.Fatalf("seed %d: got\n%s, want\n%s", seed, got, want)
			}
		}
	}
}

// wander reads two sources in pieces of any size, and now and then begins again where it stands. It decides where
// rounds end, or follows those that are logged.
func wander(t *testing.T, rng *rand.Rand, logs [2][]*timeline.Record, c *course, decides bool) (order string) {
	t.Helper()
	const end = 31
	m := newNumbered(vector{0, 0})
	for m.at.sum() < 2*end {
		if rng.IntN(6) == 0 {
			m = newNumbered(m.at)
		}
		i := rng.IntN(2)
		n := slices.IndexFunc(logs[i], func(r *timeline.Record) bool { return r.Offset >= m.read[i] })
		if b := (timeline.Batch{Topic: twoSources[i], From: m.read[i], Next: end, End: end}); n < 0 {
			mustAdd(t, m, b)
		} else {
			mustAdd(t, m, batchOf(m.read[i], end, logs[i][n:n+1+rng.IntN(len(logs[i])-n)]...))
		}
		if rng.IntN(2) == 0 || !decides {
			m.saw(0, end)
			m.saw(1, end)
		}
		for {
			var logged *round
			if r, more, err := c.at(m.at); err != nil {
				t.Fatal(err)
			} else if more {
				logged = &r
			} else if !decides {
				break
			}
			p, ok := m.take(logged, 1+rng.IntN(9))
			if !ok {
				break
			}
			order += orderOf(p.records)
			if logged == nil {
				logOf(t, c, []round{p.round})
			}
		}
	}
	return order
}

// all returns the rounds of a course.
func all(c *course) (out []round) {
	for i := range c.len() {
		out = append(out, c.round(i))
	}
	return out
}

// A round that is given away stays what it is, though the last one goes on; and what is kept of each is where it ended.
func TestACourseKeepsWhereRoundsEnded(t *testing.T) {
	const turns = 100_000
	c, at := new(course), vector{0, 0}
	for n := range turns {
		end := slices.Clone(at)
		end[n%2]++
		if err := c.add(round{at, end}); err != nil {
			t.Fatal(err)
		}
		at = end
	}
	last := c.round(turns - 1)
	if err := c.add(round{last.begin, vector{last.end[0], last.end[1] + 5}}); err != nil {
		t.Fatal(err)
	}
	if c.len() != turns || last.end[1]+5 != c.end(2)[1] {
		t.Errorf("got %d rounds, the last to %v and then to %v", c.len(), last.end, c.end(2))
	}
	for _, offset := range []int64{0, 777, turns/2 - 1} {
		for source := range 2 {
			if r, ok := c.with(source, offset); !ok || r.begin[source] > offset || r.end[source] <= offset {
				t.Errorf("source %d at %d: got %v, %t", source, offset, r, ok)
			}
		}
	}
	if kept := 8 * cap(c.ends); kept > turns*16*3/2 {
		t.Errorf("%d bytes are kept of %d rounds", kept, turns)
	}
}
