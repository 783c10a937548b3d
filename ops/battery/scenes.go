package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/refold/refold/services/transactions/history"
)

// scene is a bank of its own to which one thing happens.
type scene struct {
	name string
	// make makes the bank, where it is not a broker, a registry and an owner.
	make func(*battery, string) (*bank, error)
	play func(context.Context, *stage) error
	// lost says that the log is gone in the end, so that nothing can be held against it.
	lost bool
	// embedded says that it happens to the embedded broker only.
	embedded bool
}

// stage is a bank under load while a scene is played.
type stage struct {
	*workload
	expected []history.Finding // findings that must be made, by breach and a part of the text
}

// errSkipped is wrapped where a scene cannot be played here.
var errSkipped = errors.New("skipped")

// play plays scenes, two at a time.
func (b *battery) play(ctx context.Context, all []scene) {
	next := make(chan scene)
	go func() {
		defer close(next)
		for _, s := range all {
			next <- s
		}
	}()
	var stages sync.WaitGroup
	for range 2 {
		stages.Go(func() {
			for s := range next {
				if err := b.stage(ctx, s); errors.Is(err, errSkipped) {
					b.skip(err.Error())
				} else if err != nil {
					b.problem(fmt.Errorf("%s: %w", s.name, err))
				}
			}
		})
	}
	stages.Wait()
}

func (b *battery) skip(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.skipped = append(b.skipped, what)
}

func scenes() []scene {
	return []scene{
		{name: "foreign record", play: foreignRecord},
		{name: "transaction left hanging", play: hangingTransaction},
		{name: "topic deleted and made again", play: topicMadeAgain, lost: true},
		{name: "disk nearly full", make: guardedBank, play: nearlyFull, embedded: true},
		{name: "disk full under the broker", make: smallBank, play: fullBroker, embedded: true},
		{name: "disk full under the owner's rows", make: smallRows, play: fullRows},
		{name: "rows damaged", play: damagedRows},
		{name: "clock that jumps", make: clockedBank, play: jumpingClock},
		{name: "refold up", make: wholeBank, play: killedUp, embedded: true},
	}
}

// plainBank is a bank with one owner.
func plainBank(b *battery, name string) (*bank, error) {
	k, err := b.newBank(name, 2)
	if err == nil {
		err = k.addOwner(plainOwner)
	}
	return k, err
}

func (b *battery) stage(ctx context.Context, s scene) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	makeBank := s.make
	if makeBank == nil {
		makeBank = plainBank
	}
	k, err := makeBank(b, strings.ReplaceAll(s.name, " ", "-"))
	if k != nil {
		defer k.close()
	}
	if err != nil {
		return err
	}
	w, err := k.newWorkload()
	if err != nil {
		return err
	}
	w.crew = 6
	if err := w.open(ctx); err != nil {
		return err
	}
	load, end := context.WithCancel(ctx)
	var clients sync.WaitGroup
	clients.Go(func() { w.run(load, 5*time.Second) })
	st := &stage{workload: w}
	err = w.serving(ctx)
	if err == nil {
		err = s.play(ctx, st)
	}
	end()
	clients.Wait()
	if err != nil || s.lost {
		return errors.Join(err, w.close())
	}
	return b.judge(ctx, w, st.expected...)
}

// injected counts something that was done to the bank.
func (s *stage) injected(what string) { s.note(place{row: what}) }

// must says that a promise is broken unless ok.
func (s *stage) must(ok bool, format string, args ...any) {
	if !ok {
		s.found(history.Finding{Breach: broken, What: s.name + ": " + fmt.Sprintf(format, args...)})
	}
}

// silent waits until a partition has acknowledged nothing for a while, which must come.
func (s *stage) silent(ctx context.Context, partition int, quiet time.Duration) {
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		since := time.Now()
		wait(ctx, quiet)
		if slices.Contains(s.waiting(since), partition) {
			return
		}
	}
	s.must(ctx.Err() != nil, "partition %d goes on serving", partition)
}

// goesOn waits until a partition has acknowledged something that was asked from now on, which must come.
func (s *stage) goesOn(ctx context.Context, partition int) {
	since := time.Now()
	for slices.Contains(s.waiting(since), partition) {
		if ctx.Err() != nil || time.Since(since) > patience {
			s.must(ctx.Err() != nil, "partition %d serves no more", partition)
			return
		}
		wait(ctx, 10*time.Millisecond)
	}
}

// expect takes out of the findings those that must be there; one that is not is a broken promise.
func expect(findings, expected []history.Finding) []history.Finding {
	for _, e := range expected {
		i := slices.IndexFunc(findings, func(f history.Finding) bool { return f.Breach == e.Breach && strings.Contains(f.What, e.What) })
		if i < 0 {
			findings = append(findings, history.Finding{Breach: broken, What: fmt.Sprintf("nobody noticed: %q", e.What)})
			continue
		}
		findings = slices.Delete(findings, i, i+1)
	}
	return findings
}
