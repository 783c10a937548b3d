package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/refold/refold/services/transactions/history"
)

// battery is one run.
type battery struct {
	seed  uint64
	long  time.Duration // for how long the bank is disturbed
	down  time.Duration // for how long the broker is wholly down
	short bool
	real  bool   // the broker is Apache Kafka
	many  bool   // there are three of it, and of Cassandra
	only  string // a part of the names of the faults and scenes that are wanted

	dir     string // of the run
	program string // refold
	self    string // this program
	engines string // the program that becomes Kafka, where the broker is real

	mu       sync.Mutex
	faults   map[place]int          // guarded by mu
	findings []history.Finding      // guarded by mu
	problems []error                // guarded by mu; why the battery itself could not do what it wanted
	skipped  []string               // guarded by mu
	calls    map[history.Kind]int64 // guarded by mu; by how they ended
	gap      string                 // guarded by mu
	rows     int                    // guarded by mu; that were compared
	effects  int                    // guarded by mu
}

// place is where the table counts a fault. Faults that belong to no step of an owner have a row alone.
type place struct {
	row    string
	at     moment
	column string
}

func (p place) String() string { return strings.TrimSpace(p.row + " " + string(p.at) + " " + p.column) }

func (b *battery) injected(p place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults[p]++
}

func (b *battery) found(f ...history.Finding) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.findings = append(b.findings, f...)
}

func (b *battery) problem(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil && !errors.Is(err, context.Canceled) {
		b.problems = append(b.problems, err)
	}
}

// compared counts rows and effects that were held against a fold of the log.
func (b *battery) compared(rows, effects int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows += rows
	b.effects += effects
}

// total returns how many faults were injected.
func (b *battery) total() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, count := range b.faults {
		n += count
	}
	return n
}

// prepare makes the folder of the run and builds the program.
func (b *battery) prepare(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "refold-battery-"); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	if b.self, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if b.program, err = b.build(ctx, "refold"); err != nil || !b.real && !b.many {
		return err
	}
	b.engines, err = b.build(ctx, "engines")
	return err
}

// build builds a program of this folder's.
func (b *battery) build(ctx context.Context, name string) (string, error) {
	program := filepath.Join(b.dir, name)
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./ops/"+name).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", name, err, out)
	}
	return program, nil
}

// run disturbs a bank under load, and plays the scenes beside it.
func (b *battery) run(ctx context.Context) error {
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if b.many {
		return b.disturbFleet(ctx)
	}
	var scenes sync.WaitGroup
	scenes.Go(func() { b.play(ctx, b.scenes()) })
	var err error
	if len(b.wanted()) > 0 {
		err = b.disturb(ctx)
	}
	scenes.Wait()
	return err
}

// disturbed is the name of the bank that is disturbed in every way.
const disturbed = "disturbed"

func (b *battery) disturb(ctx context.Context) error {
	k, err := b.newBank(disturbed, 3)
	defer func() { k.close() }()
	if err != nil {
		return err
	}
	// The last one says with requests of their own which partitions its transactions are in.
	for _, kind := range []ownerKind{plainOwner, plainOwner, narrowOwner} {
		if err := k.addOwner(kind); err != nil {
			return err
		}
	}
	w, err := k.newWorkload()
	if err != nil {
		return err
	}
	if err := w.open(ctx); err != nil {
		return err
	}
	load, end := context.WithCancel(ctx)
	var clients sync.WaitGroup
	clients.Go(func() { w.run(load, patience) })
	shown, hide := context.WithCancel(ctx)
	clients.Go(func() { b.show(shown, w) })
	b.injectAll(ctx, &site{workload: w})
	end()
	hide()
	clients.Wait()
	if err := w.drained(ctx); err != nil {
		b.found(history.Finding{Breach: broken, What: err.Error()})
	}
	return b.judge(ctx, w)
}

// injectAll injects every fault once, in an order of the seed, and again until the time is over.
func (b *battery) injectAll(ctx context.Context, s *site) {
	ctx, cancel := context.WithTimeout(ctx, b.long)
	defer cancel()
	rng := rand.New(rand.NewPCG(b.seed, 0))
	all := b.wanted()
	next := make(chan fault)
	go func() {
		defer close(next)
		for ctx.Err() == nil {
			order := slices.Clone(all)
			rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			for _, f := range order {
				select {
				case next <- f:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	var injectors sync.WaitGroup
	for range 2 {
		injectors.Go(func() {
			for f := range next {
				b.inject(ctx, s, f)
			}
		})
	}
	injectors.Wait()
}

// wanted returns the faults of this run.
func (b *battery) wanted() []fault {
	all := append(stepFaults(), bluntFaults(b.down)...)
	return slices.DeleteFunc(all, func(f fault) bool { return b.short && f.slow || !strings.Contains(f.String(), b.only) })
}

// scenes returns the scenes of this run.
func (b *battery) scenes() []scene {
	return slices.DeleteFunc(scenes(), func(s scene) bool {
		return b.short || b.real && s.embedded || !strings.Contains(s.name, b.only)
	})
}

// inject injects one fault and waits until the bank serves again.
func (b *battery) inject(ctx context.Context, s *site, f fault) {
	var err error
	if f.outage {
		s.broken.Lock()
		err = f.inject(ctx, s)
		s.broken.Unlock()
	} else {
		s.broken.RLock()
		err = f.inject(ctx, s)
		s.broken.RUnlock()
	}
	if err != nil {
		if ctx.Err() == nil {
			b.problem(fmt.Errorf("%s: %w", f, err))
		}
		return
	}
	s.note(f.place)
	if err := s.serving(context.WithoutCancel(ctx)); err != nil {
		b.found(history.Finding{Breach: broken, What: fmt.Sprintf("after %s: %s", f, err)})
	}
}

// judge ends a history, holds it against the log and counts what was in it.
func (b *battery) judge(ctx context.Context, w *workload, expected ...history.Finding) error {
	if err := w.close(); err != nil {
		return err
	}
	c, findings, err := w.check(ctx, w)
	if err != nil {
		return err
	}
	b.found(expect(findings, expected)...)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range []history.Kind{history.OK, history.Rejected, history.Refused, history.Unknown} {
		b.calls[k] += w.recorder.Count(k)
	}
	if p, gap := c.Gap(); w.name == disturbed || b.many {
		b.gap = fmt.Sprintf("%.1f s (partition %d)", gap.Seconds(), p)
	}
	return nil
}
