package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/projections/certificate"
	"github.com/refold/refold/projections/digest"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/pebble"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/topic"
)

// asReader makes the program read the generated journal of a broker, as the JSON of a reading that it holds, and
// nothing else: in a process of its own, so that its memory and its processor time can be told.
const asReader = "REFOLD_BENCH_READ"

// reading is what a reader does: it consumes the topic raw, or rebuilds projections from it.
type reading struct {
	Address string `json:"address"`
	// Projections are those that are rebuilt, from one pass; spending and trail where there are none.
	Projections []string `json:"projections"`
	Raw         bool     `json:"raw"`
	Profile     string   `json:"profile"` // the file that a profile of the processor is written to, or ""
}

// read is what a reader says of itself.
type read struct {
	Records   int64   `json:"records"`
	Rows      int64   `json:"rows"`
	Digest    string  `json:"digest,omitempty"` // of the rows of each projection
	Seconds   float64 `json:"seconds"`
	Processor float64 `json:"processor_seconds"` // with the broker's
	Broker    float64 `json:"-"`                 // processor seconds of the broker alone
	Memory    float64 `json:"memory_mb"`         // the most that it ever took
}

// replays measures rebuilding spending with its trail and its digest, from records as the journal writes them
// and from lean ones.
func (b *bench) replays(ctx context.Context) error {
	for _, part := range []string{partFull, partLean} {
		if !b.wants(part) {
			continue
		}
		l, err := b.kept(ctx, part)
		if err != nil {
			return err
		}
		if err := errors.Join(b.replayed(ctx, l, part), l.Close()); err != nil {
			return fmt.Errorf("replay of %s records: %w", part, err)
		}
	}
	return nil
}

// kept opens the generated log of a kind, which is made where it is not kept from a run before.
func (b *bench) kept(ctx context.Context, kind string) (*journaled, error) {
	dir := b.dir
	if b.keep != "" {
		dir = b.keep
	}
	dir = filepath.Join(dir, fmt.Sprintf("%s-%d-%d", kind, b.events, b.customers))
	whole := dir + ".whole" // made when the log is
	_, err := os.Stat(whole)
	if errors.Is(err, os.ErrNotExist) {
		err = os.RemoveAll(dir)
	}
	if err != nil {
		return nil, err
	}
	l, err := openLog(ctx, dir, b.events)
	if err != nil {
		return nil, err
	}
	l.customers, l.lean = b.customers, kind == partLean
	if _, err := os.Stat(whole); err == nil {
		return l, l.find(ctx)
	}
	if err := l.fill(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, os.WriteFile(whole, nil, 0o644)
}

// replayed measures in turn, and takes the best of each, so that a noisy minute hurts both alike.
func (b *bench) replayed(ctx context.Context, l *journaled, kind string) error {
	var raw, rebuilt read
	better := func(a, b read) read {
		if a.Seconds == 0 || b.Seconds < a.Seconds {
			return b
		}
		return a
	}
	for n := range rounds {
		r, err := b.reader(ctx, reading{Address: l.Addr(), Raw: true})
		if err != nil {
			return err
		}
		raw = better(raw, r)
		rebuild := reading{Address: l.Addr()}
		if b.profile != "" {
			rebuild.Profile = filepath.Join(b.profile, kind+strconv.Itoa(n)+".pprof")
		}
		if r, err = b.reader(ctx, rebuild); err != nil {
			return err
		}
		rebuilt = better(rebuilt, r)
	}
	n := float64(raw.Records)
	rate, limit := n/rebuilt.Seconds, "raw consume, "+kind
	b.add(figure{Name: limit, Value: n / raw.Seconds, Unit: "records/s"})
	b.add(figure{Name: "rebuild spending, trail, digest, certificate, " + kind, Value: rate, Unit: "records/s", Ratio: rate / n * raw.Seconds, Of: limit, Goal: "at least 0.50"})
	// Where other work is done on the same machine, the processor time says more than the rate.
	spent := func(r read) float64 { return 1e6 * r.Processor / n }
	unit := func(r read) string { return fmt.Sprintf("µs a record, %.2f of it the broker's", 1e6*r.Broker/n) }
	b.add(figure{Name: "processor time of " + limit, Value: spent(raw), Unit: unit(raw)})
	b.add(figure{Name: "processor time of the rebuild", Value: spent(rebuilt), Unit: unit(rebuilt), Ratio: spent(raw) / spent(rebuilt), Of: "the records of raw consume in its time"})
	b.add(figure{Name: "rows of it", Value: float64(rebuilt.Rows), Unit: "rows, digest " + rebuilt.Digest})
	b.add(figure{Name: "memory of it, highest", Value: rebuilt.Memory, Unit: "MB", Goal: "at most 1,536 MB"})
	return nil
}

// reader runs the program as a reader.
func (b *bench) reader(ctx context.Context, r reading) (out read, err error) {
	self, err := os.Executable()
	if err != nil {
		return out, err
	}
	asked, err := json.Marshal(r)
	if err != nil {
		return out, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env, cmd.Stderr = append(os.Environ(), asReader+"="+string(asked)), os.Stderr
	before := processor()
	answer, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("read %s: %w", asked, err)
	}
	err = json.Unmarshal(answer, &out)
	out.Broker = (processor() - before).Seconds()
	out.Processor += out.Broker
	return out, err
}

// readAs is the program as a reader.
func readAs(ctx context.Context, asked string) error {
	var r reading
	if err := json.Unmarshal([]byte(asked), &r); err != nil {
		return err
	}
	c := cluster.Cluster{Seeds: []string{r.Address}, ClientID: "bench"}
	ends, err := endsOf(ctx, c)
	if err != nil {
		return err
	}
	if r.Profile != "" {
		f, err := os.Create(r.Profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	before, start := processor(), time.Now()
	var out read
	if r.Raw {
		_, err = consume(ctx, c, ends, func(int, *kgo.Record) {})
	} else {
		out.Rows, out.Digest, err = rebuildAll(ctx, c, ends, definitionsOf(r.Projections))
	}
	if err != nil {
		return err
	}
	out.Seconds, out.Processor = time.Since(start).Seconds(), (processor() - before).Seconds()
	for _, end := range ends {
		out.Records += end
	}
	if out.Memory, err = memoryOf(os.Getpid(), "VmHWM"); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func endsOf(ctx context.Context, c cluster.Cluster) (cluster.Offsets, error) {
	client, err := c.Client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return cluster.Ends(ctx, client, topic.Transactions)
}

// rebuildAll folds the topic into new generations of projections, sums them up and certifies what came out. It returns
// how many rows there are, and the digest of each.
func rebuildAll(ctx context.Context, c cluster.Cluster, ends cluster.Offsets, definitions []*projection.Definition) (rows int64, digests string, err error) {
	registry := new(codec.Local)
	cd := codec.New(registry)
	if _, err := encoders(ctx, cd); err != nil {
		return 0, "", err
	}
	if err := leanOf(ctx, registry); err != nil {
		return 0, "", err
	}
	dir, err := os.MkdirTemp("", "refold-bench-rows-")
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	stores := pebble.New(dir, 32<<20, slog.New(slog.DiscardHandler))
	defer stores.Close()
	builder, err := engine.NewBuilder(c, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, "", err
	}
	defer builder.Close()
	made, problems := make([]certificate.Certificate, len(definitions)), make(chan error, len(definitions))
	for i, d := range definitions {
		go func() {
			var err error
			made[i], err = rebuildOne(ctx, stores, engine.FollowerConfig{
				Cluster: c, Codec: cd, Definition: d, Logger: slog.New(slog.DiscardHandler), Builder: builder,
			}, ends)
			problems <- err
		}()
	}
	for range definitions {
		err = errors.Join(err, <-problems)
	}
	if err == nil {
		err = certify(ctx, c, ends, made)
	}
	for i, m := range made {
		rows += m.Rows
		if i > 0 {
			digests += " and "
		}
		digests += m.Digest
	}
	return rows, digests, err
}

// rebuildOne folds the topic into a new generation of a projection, and returns what came out.
func rebuildOne(ctx context.Context, stores store.Stores, cfg engine.FollowerConfig, ends cluster.Offsets) (made certificate.Certificate, err error) {
	d := cfg.Definition
	s, err := stores.Open(store.Generation{Projection: d.Name, Number: 1})
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	cfg.Store = s
	if _, err := fold(ctx, cfg, ends); err != nil {
		return made, err
	}
	made = certificate.Certificate{Operation: d.Name + "-1", Projection: d.Name, Generation: 1, Version: d.Version, FoldHash: d.Hash}
	for _, p := range slices.Sorted(maps.Keys(ends)) {
		var sum digest.Task
		err := s.Scan(p, nil, nil, func(key, value []byte) bool {
			sum.Add(key, value)
			return true
		})
		if err != nil {
			return made, err
		}
		for bucket, one := range sum.Sums() {
			made.Outputs = append(made.Outputs, certificate.Output{Partition: p, Bucket: int32(bucket), Digest: hex.EncodeToString(one[:])})
		}
		made.Rows += sum.Rows()
	}
	made.Digest = certificate.Sum(made.Outputs)
	return made, nil
}

// processor is the processor time that this process has taken.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
