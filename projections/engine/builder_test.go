package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

var errAway = errors.New("it is away")

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// What is built is what is followed, with room for all rows and next to none, saved once and again and again; and
// so is what follows it.
func TestWhatIsBuiltIsWhatIsFollowed(t *testing.T) {
	s := newSite(t, 3000)
	followed, want, stop := s.follow(trail.Definition(), 1, nil)
	defer stop()
	s.reach(followed)
	for n, bounds := range []struct {
		rows    int
		records int64
	}{{1_000_000, 1_000_000}, {1, 1_000_000}, {60, 300}} {
		s.builder.rows, s.builder.records = bounds.rows, bounds.records
		built, rows, stop := s.follow(trail.Definition(), int64(n)+2, s.builder)
		s.reach(built)
		if got, want := s.all(rows), s.all(want); got != want {
			t.Errorf("%+v: got\n%swant\n%s", bounds, got, want)
		}
		s.post(200)
		s.reach(followed)
		s.reach(built)
		if got, want := s.all(rows), s.all(want); got != want {
			t.Errorf("%+v, after it followed: got\n%swant\n%s", bounds, got, want)
		}
		stop()
	}
}

// A task that has rows is followed from where it was.
func TestATaskIsBuiltOnce(t *testing.T) {
	s := newSite(t, 500)
	f, rows, stop := s.follow(trail.Definition(), 1, s.builder)
	s.reach(f)
	want := s.all(rows)
	stop()
	defer s.hold()() // nothing can be built
	f, rows, stop = s.follow(trail.Definition(), 1, s.builder)
	defer stop()
	s.reach(f)
	if got := s.all(rows); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAPartitionIsReadOnceForAll(t *testing.T) {
	s := newSite(t, 500)
	counts, release := s.fetches(), s.hold()
	one, _, stopOne := s.follow(counting(t, "one", ""), 1, s.builder)
	defer stopOne()
	two, _, stopTwo := s.follow(trail.Definition(), 1, s.builder)
	defer stopTwo()
	s.wanted(4)
	release()
	s.reach(one)
	s.reach(two)
	for p := range counts {
		if got := counts[p].Load(); got != 1 {
			t.Errorf("partition %d was read %d times, want once", p, got)
		}
	}
}

// A task that cannot go on stands still, and no other that is built with it.
func TestATaskThatFailsFailsAlone(t *testing.T) {
	s := newSite(t, 500)
	release := s.hold()
	good, _, stopGood := s.follow(counting(t, "good", ""), 1, s.builder)
	defer stopGood()
	bad, _, stopBad := s.follow(counting(t, "bad", "c7"), 1, s.builder)
	defer stopBad()
	s.wanted(4)
	release()
	s.reach(good)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := bad.Wait(ctx, 1, 100); !errors.Is(err, errAway) {
		t.Errorf("got %v, want %v", err, errAway)
	}
}

func TestALogWithAHoleIsNotBuilt(t *testing.T) {
	s := newSite(t, 300)
	s.broker.Trim(topic.Transactions, 1, 10)
	f, _, stop := s.follow(trail.Definition(), 1, s.builder)
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := f.Wait(ctx, 1, 300); !errors.Is(err, timeline.ErrHole) {
		t.Errorf("got %v, want %v", err, timeline.ErrHole)
	}
}

// Who gives a partition up has it back, whether its building waits, or runs and cannot go on.
func TestWhatIsBuiltCanBeRevoked(t *testing.T) {
	s := newSite(t, 300)
	release := s.hold()
	f, _, stop := s.follow(trail.Definition(), 1, s.builder)
	s.wanted(2)
	f.Revoke([]int32{0})
	stop()
	s.wanted(0)
	s.schemas.away.Store(true)
	s.codec = codec.New(s.schemas)
	release()
	f, rows, stop := s.follow(trail.Definition(), 2, s.builder)
	defer stop()
	s.until("something is built", func() bool { return len(s.builder.slots) < cap(s.builder.slots) })
	f.Revoke([]int32{0, 1})
	s.schemas.away.Store(false)
	if err := f.Assign([]int32{0, 1}); err != nil {
		t.Fatal(err)
	}
	s.reach(f)
	if c, err := rows.Checkpoint(0); err != nil || c.Next == 0 {
		t.Errorf("got %+v, %v", c, err)
	}
}

// A reading that is disturbed leaves the rest to following.
func TestADisturbedReadingIsFollowed(t *testing.T) {
	s := newSite(t, 500)
	var fetched atomic.Int64
	s.broker.Faults().ControlKey(int16(kmsg.Fetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
		s.broker.Faults().KeepControl()
		req := r.(*kmsg.FetchRequest)
		if fetched.Add(1); req.SessionEpoch != -1 {
			return nil, nil, false
		}
		return rubbish(req), nil, true
	})
	f, _, stop := s.follow(trail.Definition(), 1, s.builder)
	defer stop()
	s.reach(f)
	if fetched.Load() == 0 {
		t.Error("nothing was fetched")
	}
}

// rubbish answers a fetch with bytes that are no batch.
func rubbish(req *kmsg.FetchRequest) *kmsg.FetchResponse {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewFetchResponseTopicPartition()
			rp.Partition, rp.LastStableOffset, rp.HighWatermark = p.Partition, 100, 100
			rp.RecordBatches = binary.BigEndian.AppendUint32(make([]byte, 8, 100), 88)[:100]
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}
