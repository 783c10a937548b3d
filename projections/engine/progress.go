package engine

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/refold/refold/streams/cluster"
)

// Progress is how far one task is.
type Progress struct {
	Partition int32
	// Next is the offset of the first record that is not folded and saved; End that of the source's end
	// as last seen, -1 before it was.
	Next, End int64
	EventTime time.Time
	// Behind is for how long there has been a record that is not folded.
	Behind time.Duration
	// Err is why the task stands still.
	Err error
}

// Known tells whether the end of the source was seen.
func (p Progress) Known() bool { return p.End >= 0 }

// Lag returns how many records are not folded yet, markers of transactions included; 0 where that is not
// known.
func (p Progress) Lag() int64 { return max(p.End-p.Next, 0) }

// Progress returns how far every task is, in order of partitions.
func (f *Follower) Progress() []Progress {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Progress, 0, len(f.tasks))
	for _, p := range slices.Sorted(maps.Keys(f.tasks)) {
		t := f.tasks[p].task
		saved, err := t.state()
		out = append(out, Progress{Partition: p, Next: saved.Next, End: t.end.Load(), EventTime: saved.EventTime, Behind: t.behind(time.Now()), Err: err})
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
		f.rate.note(time.Now(), f.folded())
		f.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (f *Follower) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ends, err := f.Ends(ctx)
	if err != nil {
		f.cfg.Logger.Debug("the end of the source is not known", "projection", f.cfg.Definition.Name, "error", err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for p, w := range f.tasks {
		w.saw(ends[p])
		if saved, _ := w.state(); saved.Next >= ends[p] {
			w.level.Store(time.Now().UnixMicro())
		}
	}
}

// Ends asks the brokers where the source ends.
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
