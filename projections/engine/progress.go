package engine

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/streams/cluster"
)

// Progress is how far one task is.
type Progress struct {
	Partition int32
	// Next is the offset of the first record that is not folded and saved; End that of the source's end
	// as last seen, -1 before it was. Where there are several sources they are sums, and First is Next of the first.
	Next, End, First int64
	EventTime        time.Time
	// Rate is how many records it folded in a second, over the last few seconds.
	Rate float64
	// Behind is for how long there has been a record that is not folded.
	Behind time.Duration
	// Parked are the rows that stand still.
	Parked []store.Parked
	// Acts is how many of the acts about rows it has followed, as far as they are saved.
	Acts int
	// Err is why the task stands still.
	Err error
}

// Known tells whether the end of the source was seen.
func (p Progress) Known() bool { return p.End >= 0 }

// Lag returns how many records are not folded yet, markers of transactions included; 0 where that is not
// known.
func (p Progress) Lag() int64 { return max(p.End-p.Next, 0) }

// ETA returns how long the task will need to fold all there is, 0 where that is not known.
func (p Progress) ETA() time.Duration { return needed(p.Lag(), p.Rate) }

// needed returns how long so many records take at a rate; 0 where the rate says nothing.
func needed(records int64, rate float64) time.Duration {
	if rate < 1 {
		return 0
	}
	return time.Duration(float64(records) / rate * float64(time.Second))
}

// Progress returns how far every task is, in order of partitions.
func (f *Follower) Progress() []Progress {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Progress, 0, len(f.tasks))
	for _, p := range slices.Sorted(maps.Keys(f.tasks)) {
		t := f.tasks[p]
		saved, err := t.state()
		out = append(out, Progress{Partition: p, Next: saved.Next, First: saved.First(), End: t.end.Load(), EventTime: saved.EventTime, Rate: t.rate.perSecond(), Behind: t.behind(time.Now()), Parked: saved.Parked, Acts: saved.Acts, Err: err})
	}
	return out
}

// Rate returns the records folded per second over the last few seconds.
func (f *Follower) Rate() float64 { return f.rate.perSecond() }

// measure takes the rate, and looks where the source ends, until ctx ends. What is read tells the end, too,
// but not while nothing can be read.
func (f *Follower) measure(ctx context.Context) {
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for {
		f.note(time.Now())
		f.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// note takes the counters of the rates.
func (f *Follower) note(now time.Time) {
	f.rate.note(now, f.folded())
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.tasks {
		w.rate.note(now, w.folded.Load())
	}
}

func (f *Follower) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, topic := range f.cfg.Definition.Sources {
		ends, err := f.reader.Ends(ctx, topic)
		if err != nil {
			f.cfg.Logger.Debug("the end of a source is not known", "projection", f.cfg.Definition.Name, "topic", topic, "error", err)
			return
		}
		f.mu.Lock()
		for p, w := range f.tasks {
			w.sawIn(topic, ends[p])
			if saved, _ := w.state(); w.end.Load() >= 0 && saved.Next >= w.end.Load() {
				w.level.Store(time.Now().UnixMicro())
			}
		}
		f.mu.Unlock()
	}
}

// Ends asks the brokers where the first source ends.
func (f *Follower) Ends(ctx context.Context) (cluster.Offsets, error) {
	return f.reader.Ends(ctx, f.cfg.Definition.Topic)
}

func (f *Follower) folded() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	var n int64
	for _, w := range f.tasks {
		n += w.task.folded.Load()
	}
	return n
}
