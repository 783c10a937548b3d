//go:build synctests

package engine_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The simulation: a broker in memory and up to three processes that share the rows, in a bubble of
// testing/synctest, where time passes only when all wait for it. Events are appended, processes crash in the middle
// of their writes, leave, join and stand still, what was folded is read again, generations are built, promoted and
// rolled back; folds fail, and are mended. Then all faults end, everything must be folded and told within a bound, and rows, effects and what
// readers saw are held against a fold of the log by one hand.
//
// The seed fixes what is done, not in which order goroutines run: a seed that failed may pass when it is run again.
// So a run that failed leaves what the processes logged in a file.
//
// It needs -tags synctests, with which the Kafka client waits for its locks so that virtual time can pass.
var (
	simulationSeeds = flag.Int("simulation.seeds", 20, "how many seeds are run")
	simulationSeed  = flag.Uint64("simulation.seed", 0, "the one seed to run, or 0: random ones")
	simulationKeep  = flag.String("simulation.keep", "", "the folder for what runs leave that fail; a temporary one where it is empty")
)

// healing bounds for how long something may be missing after the last fault.
const healing = 2 * time.Minute

// settling is how long those that stood still have for what they were about to do.
const settling = 2 * time.Second

// TestSimulation runs random seeds, as many at once as there are processors.
func TestSimulation(t *testing.T) {
	sum := &tally{counts: make(map[string]int), begun: time.Now()}
	t.Cleanup(func() { sum.print(t) })
	for n := range *simulationSeeds {
		seed := *simulationSeed
		if seed == 0 {
			seed = rand.Uint64()
		} else if n > 0 {
			break
		}
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			if failFast() && sum.failed.Load() {
				t.SkipNow() // the flag alone does not stop those that were begun and wait
			}
			log := new(lockedBuffer)
			defer watch(seed, log, longest)()
			synctest.Test(t, func(t *testing.T) {
				t.Cleanup(watch(seed, log, longestVirtual))
				t.Cleanup(func() {
					if t.Failed() {
						sum.failed.Store(true)
					}
				})
				sum.add(simulate(t, seed, log))
			})
		})
	}
}

func failFast() bool { return flag.Lookup("test.failfast").Value.String() == "true" }

// tally is what happened in all runs.
type tally struct {
	begun  time.Time
	failed atomic.Bool

	mu      sync.Mutex
	runs    int            // guarded by mu
	virtual time.Duration  // guarded by mu
	counts  map[string]int // guarded by mu
}

func (s *tally) add(counts map[string]int, virtual time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs++
	s.virtual += virtual
	for what, n := range counts {
		s.counts[what] += n
	}
}

func (s *tally) print(t *testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, what := range slices.Sorted(maps.Keys(s.counts)) {
		all = append(all, fmt.Sprintf("%s %d", what, s.counts[what]))
	}
	took := time.Since(s.begun)
	t.Logf("%d runs in %s (%.1f a second), %.2f virtual hours: %s",
		s.runs, took.Round(time.Millisecond), float64(s.runs)/took.Seconds(), s.virtual.Hours(), strings.Join(all, ", "))
}

// simulate makes one run, in a bubble.
func simulate(t *testing.T, seed uint64, log *lockedBuffer) (map[string]int, time.Duration) {
	w := newWorld(t, seed, log)
	defer w.keep(seed)
	w.append(w.dice.upTo(6)+1, kgo.TryCommit) // is no news
	for slot := range w.processes {
		w.start(slot)
	}
	w.reader = read(w)
	defer w.reader.stop()
	for range w.plan.steps {
		w.tend()
		step := w.step()
		fmt.Fprintf(w.log, "%s %s\n", time.Now().Format(time.RFC3339Nano), step.name)
		w.counts[step.name]++
		step.do(w)
		wait(nil, []time.Duration{0, 10 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second}[w.dice.upTo(4)])
	}
	w.going.Wait()
	w.heal()
	wait(nil, settling)
	w.heal()
	w.judge(w.reader.stop())
	return w.counts, time.Since(w.begun)
}

// heal starts what does not run, and waits until everything is folded.
func (w *world) heal() {
	w.Helper()
	if w.plan.mended {
		w.poison.mend(func(int64) bool { return true })
	}
	for deadline := time.Now().Add(healing); ; {
		for slot := range w.processes {
			p := w.at(slot)
			if p != nil {
				p.desk.left.Store(0)
			}
			if p != nil && p.gone() {
				w.crash(slot)
			}
			if w.at(slot) == nil {
				w.start(slot)
			}
		}
		if w.plan.mended {
			w.unpark()
		}
		left := w.left()
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			w.Errorf("after %s: %s", healing, left)
			return
		}
		wait(nil, 500*time.Millisecond)
	}
}
