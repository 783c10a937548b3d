package engine

import (
	"context"
	"time"

	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// Bounds of what a plan reads: of a partition so many offsets are counted at its beginning and as many at its
// end, and where one partition has more rows than so many, those of the others are estimated by it.
const (
	fewOffsets = 2_000
	manyRows   = 50_000
)

// estimate fills in what a plan costs.
func (e *Engine) estimate(ctx context.Context, p *Plan) error {
	e.mu.Lock()
	p.Rate = e.rates[p.Projection]
	e.mu.Unlock()
	if err := e.measureLog(ctx, p); err != nil {
		return err
	}
	if err := e.measureEffects(ctx, p); err != nil {
		return err
	}
	return e.measureRows(ctx, p)
}

// measureEffects finds how many effects stay silent, by those that were published, whoever published them.
func (e *Engine) measureEffects(ctx context.Context, p *Plan) error {
	d, err := e.newest(p.Projection)
	if err != nil {
		return err
	}
	p.Silenced = Figure{Known: Counted}
	seen := make(map[string]bool)
	for _, kind := range d.Emits {
		if seen[kind.Topic] {
			continue
		}
		seen[kind.Topic] = true
		spans, err := timeline.Spans(ctx, e.cfg.Cluster, kind.Topic)
		if err != nil {
			return err
		}
		p.Silenced.Known = Estimated
		for _, s := range spans {
			p.Silenced.Value += s.End - s.Start
		}
	}
	return nil
}

// measureLog finds how many records there are to be read, and their bytes.
func (e *Engine) measureLog(ctx context.Context, p *Plan) error {
	type spans = map[int32]timeline.Span
	first, last := make(map[string]spans), make(map[string]spans)
	var all, read, records, bytes int64
	for _, s := range p.Stretches {
		begin := max(s.Begin, s.Start)
		all += max(s.End-begin, 0)
		middle := min(begin+fewOffsets, s.End)
		if first[s.Topic] == nil {
			first[s.Topic], last[s.Topic] = make(spans), make(spans)
		}
		end := timeline.Span{Start: max(middle, s.End-fewOffsets), End: s.End}
		first[s.Topic][s.Partition], last[s.Topic][s.Partition] = timeline.Span{Start: begin, End: middle}, end
		read += max(middle-begin, 0) + max(s.End-end.Start, 0)
	}
	count := func(b timeline.Batch) error {
		records += int64(len(b.Records))
		for _, rec := range b.Records {
			bytes += int64(len(rec.Key) + len(rec.Value))
		}
		return nil
	}
	for topic := range first {
		for _, of := range []spans{first[topic], last[topic]} {
			if err := timeline.Scan(ctx, e.cfg.Cluster, topic, of, count); err != nil {
				return err
			}
		}
	}
	known := Counted
	if read < all {
		known = Estimated
		records, bytes = int64(float64(records)*float64(all)/float64(read)), int64(float64(bytes)*float64(all)/float64(read))
	}
	p.Events, p.Bytes = Figure{records, known}, Figure{bytes, known}
	return nil
}

// tasks returns the stretches of the first source, one for each task.
func (p *Plan) tasks() (out []Stretch) {
	for _, s := range p.Stretches {
		if s.Topic == p.Topic {
			out = append(out, s)
		}
	}
	return out
}

// measureRows finds how many rows will be folded, by those of the live generation: it folds the same keys.
func (e *Engine) measureRows(ctx context.Context, p *Plan) error {
	r := e.acquire(store.Generation{Projection: p.Projection, Number: p.Live})
	if r == nil || p.TouchedBy != "" {
		if r != nil {
			r.readers.Done()
		}
		return nil
	}
	defer r.readers.Done()
	if len(p.Keys) > 0 {
		return e.measureKeys(ctx, p, r)
	}
	var rows int64
	tasks := p.tasks()
	for i, s := range tasks {
		n, err := count(r.store, s.Partition, "")
		if err != nil {
			return err
		}
		rows += n
		if i == 0 && n > manyRows {
			p.Rows = Figure{n * int64(len(tasks)), Estimated}
			return nil
		}
	}
	p.Rows = Figure{rows, Counted}
	return nil
}

// measureKeys finds how many rows the keys of a plan have, and by their trail how many records.
func (e *Engine) measureKeys(ctx context.Context, p *Plan, r *running) error {
	var rows, records int64
	tasks := p.tasks()
	trailed := p.Topic == topic.Transactions && len(tasks) == len(p.Stretches)
	for _, key := range p.Keys {
		for _, s := range tasks {
			n, err := count(r.store, s.Partition, key)
			if err != nil {
				return err
			}
			rows += n
		}
		customer, ok := trail.Of(key)
		if trailed = trailed && ok; !trailed {
			continue
		}
		at := topic.Of(customer, int32(len(tasks)))
		offsets, err := e.trail(ctx, Query{Partition: at, Key: customer, AsOf: &Moment{}}, tasks[at].End)
		trailed = err == nil
		records += int64(len(offsets))
	}
	p.Rows = Figure{rows, Counted}
	if trailed {
		p.Events, p.Bytes = Figure{records, Counted}, Figure{p.Bytes.Value * records / max(p.Events.Value, 1), Estimated}
	}
	return nil
}

// count returns how many rows of a partition key a task has; "" is of any.
func count(s store.Reader, partition int32, key string) (n int64, err error) {
	var from, to []byte
	if key != "" {
		from, to = append([]byte(key), 0), append([]byte(key), 1)
	}
	err = s.Scan(partition, from, to, func(_, _ []byte) bool { n++; return true })
	return n, err
}

// noteRate keeps how fast a generation was built that has caught up.
func (e *Engine) noteRate(id store.Generation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.running[id]
	if r == nil || r.measured {
		return
	}
	r.measured = true
	if n := r.folded(); n >= farBehind {
		e.rates[id.Projection] = float64(n) / time.Since(r.began).Seconds()
	}
}
