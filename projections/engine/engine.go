// Package engine runs projections: it folds their sources into rows, builds new generations beside the
// live ones, proves that they agree, and switches.
//
// What it promises: a row is folded exactly once by every event, whatever crashes, restarts and
// rebalances happen; a replay never edits live rows; what is live is decided by the acts alone.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/group"
	"github.com/refold/refold/streams/timeline"
)

// Platform is the principal of what the platform itself decides.
const Platform = "refold"

// Config says what an engine runs, and with what.
type Config struct {
	Cluster cluster.Cluster
	Codec   *codec.Codec
	Stores  store.Stores
	Acts    *acts.Log
	// Catalog holds every projection that this build can fold. Several versions of one may stand in it.
	Catalog []*projection.Definition
	// Instance names this process in the consumer groups, for ever; it must be its own.
	Instance string
	// Address is where other processes reach this one, for their Owner. It may be empty.
	Address string
	// MaxRows bounds the rows that each task keeps in memory; 50,000 where it is zero.
	MaxRows int
	// Snapshots is the folder that snapshots of rows are kept in; none are where it is "".
	Snapshots string
	// Retention is how long the generation that was live before follows on after a promotion, so that a rollback
	// is a flip; 24 hours where it is zero.
	Retention time.Duration
	// DrillEvery is how often some of the live rows are folded anew and compared; 24 hours where it is zero.
	DrillEvery time.Duration
	// Build is what this process was built from; it is recorded with every act.
	Build  string
	Logger *slog.Logger
}

// Engine runs the projections of a catalog. Its methods may be called concurrently.
type Engine struct {
	cfg Config

	emitters map[string]*emitter // of the projections with effects
	effects  sync.Mutex          // held while effects are folded anew
	picker   func() (*timeline.Picker, error)
	builder  func() (*Builder, error)
	owners   owners
	// members are the *group.Member of each projection. They are asked for while others wait for a task to end, who
	// may hold mu.
	members sync.Map

	mu       sync.Mutex
	assigned map[string][]int32            // guarded by mu; partitions by projection
	running  map[store.Generation]*running // guarded by mu
	failed   map[store.Generation]error    // guarded by mu; generations that cannot run here
	rates    map[string]float64            // guarded by mu; records per second of the last rebuild, by projection
	drills   map[string]Drill              // guarded by mu; the last of each projection
	dropped  map[store.Generation]bool     // guarded by mu; generations whose rows are gone
	ending   map[store.Generation]bool     // guarded by mu; generations that are being stopped here
	ended    sync.WaitGroup                // of those that are being stopped
	seeds    map[store.Generation]*seeding // guarded by mu
	changed  chan struct{}                 // tells that there is something to reconcile
}

// running is a generation with the goroutine that runs it.
type running struct {
	*Follower
	store    store.Store
	gate     *throttle
	retried  string // the act that made it try again, when it was opened
	cancel   context.CancelFunc
	done     chan struct{}
	began    time.Time
	measured bool           // guarded by Engine.mu; its rate is noted, or means nothing
	readers  sync.WaitGroup // views and comparisons under way; added to under Engine.mu
	examples []Difference   // guarded by Engine.mu; of the last verification
	digest   string         // guarded by Engine.mu; of the live generation, at the last verification
	// incomparable is guarded by Engine.mu; it is why the last comparison came to nothing.
	incomparable error
}

// New returns an engine that does nothing until Run.
func New(cfg Config) *Engine {
	e := &Engine{
		cfg:      cfg,
		dropped:  make(map[store.Generation]bool),
		ending:   make(map[store.Generation]bool),
		picker:   sync.OnceValues(func() (*timeline.Picker, error) { return timeline.NewPicker(cfg.Cluster) }),
		builder:  sync.OnceValues(func() (*Builder, error) { return NewBuilder(cfg.Cluster, cfg.Logger) }),
		assigned: make(map[string][]int32),
		running:  make(map[store.Generation]*running),
		failed:   make(map[store.Generation]error),
		rates:    make(map[string]float64),
		drills:   make(map[string]Drill),
		seeds:    make(map[store.Generation]*seeding),
		changed:  make(chan struct{}, 1),
	}
	e.emitters = e.newEmitters()
	return e
}

// Run runs every projection until ctx ends. The acts must be followed meanwhile.
func (e *Engine) Run(ctx context.Context) error {
	if err := e.cfg.Acts.Ready(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer e.closeBuilder()
	members := make(map[string]*group.Member)
	defer func() {
		for _, m := range members {
			m.Close()
		}
	}()
	for _, name := range e.Names() {
		m, err := e.join(ctx, name)
		if err != nil {
			return err
		}
		members[name] = m
		e.members.Store(name, m)
	}
	var beside sync.WaitGroup
	beside.Go(func() { e.verifyAll(ctx) })
	beside.Go(func() { e.throttleAll(ctx) })
	beside.Go(func() { e.drillAll(ctx) })
	err := e.reconcileAll(ctx, members)
	cancel()
	beside.Wait()
	if picker, unmade := e.picker(); unmade == nil {
		picker.Close()
	}
	e.owners.close()
	err = errors.Join(err, e.stopAll())
	for _, emitter := range e.emitters {
		emitter.close()
	}
	return err
}

func (e *Engine) join(ctx context.Context, name string) (*group.Member, error) {
	d, err := e.newest(name)
	if err != nil {
		return nil, err
	}
	return group.Join(ctx, e.cfg.Cluster, group.Config{
		Group:    groupOf(name),
		Topic:    d.Topic,
		Instance: e.cfg.Instance,
		Address:  e.cfg.Address,
		Assigned: func(ps []int32) { e.assign(name, ps) },
		Revoked:  func(ps []int32) { e.revoke(name, ps) },
	})
}

func (e *Engine) assign(name string, partitions []int32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.assigned[name] = append(e.assigned[name], partitions...)
	e.wake()
}

// wake has what runs made to follow what was decided.
func (e *Engine) wake() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

func (e *Engine) revoke(name string, partitions []int32) {
	e.mu.Lock()
	e.assigned[name] = slices.DeleteFunc(e.assigned[name], func(p int32) bool { return slices.Contains(partitions, p) })
	var followers []*Follower
	for g, r := range e.running {
		if g.Projection == name {
			followers = append(followers, r.Follower)
		}
	}
	e.mu.Unlock()
	for _, f := range followers {
		f.Revoke(partitions)
	}
	if emitter := e.emitters[name]; emitter != nil {
		emitter.forget(partitions)
	}
}

// reconcileAll makes what runs follow what was decided, whenever either changes.
func (e *Engine) reconcileAll(ctx context.Context, members map[string]*group.Member) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		state, changed := e.cfg.Acts.State()
		for _, name := range e.Names() {
			if err := e.reconcile(ctx, name, state.Projection(name)); err != nil && ctx.Err() == nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-e.changed:
		case <-ticker.C:
			e.commitAll(ctx, members)
		}
	}
}

// reconcile starts and stops generations of one projection.
func (e *Engine) reconcile(ctx context.Context, name string, p acts.Projection) error {
	if p.Last() == 0 {
		err := e.createFirst(ctx, name)
		if _, refused := acts.IsRefusal(err); refused {
			return nil // another instance made it meanwhile
		}
		return err
	}
	e.decide(name, p)
	for _, g := range p.Generations {
		id := store.Generation{Projection: name, Number: g.Number}
		if g.Cancelled {
			if e.owes(id) {
				continue
			}
			e.drop(id)
			continue
		}
		e.again(id, g)
		if err := e.start(ctx, id, g, p.Emits(g.Number)); err != nil {
			e.cfg.Logger.Error("a generation cannot run", "projection", name, "generation", g.Number, "error", err)
		}
	}
	return nil
}

// start runs a generation here, where it does not run yet, with the partitions assigned. What cannot be
// folded by this build is not tried again; what fails otherwise is.
func (e *Engine) start(ctx context.Context, id store.Generation, g acts.Generation, live bool) error {
	e.mu.Lock()
	r, failed, ending := e.running[id], e.failed[id], e.ending[id]
	e.mu.Unlock()
	if ending {
		return nil
	}
	if r == nil && !errors.Is(failed, errNoFold) {
		if !e.seeded(ctx, id, g) {
			return nil
		}
		var err error
		if r, err = e.open(ctx, id, g); err != nil {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.failed[id] = err
			return err
		}
	}
	if r == nil {
		return nil
	}
	r.gate.set(live, g)
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.failed, id)
	e.running[id] = r
	return r.Assign(e.assigned[id.Projection])
}

func (e *Engine) open(ctx context.Context, id store.Generation, g acts.Generation) (*running, error) {
	d, err := e.definition(id.Projection, g)
	if err != nil {
		return nil, err
	}
	builder, err := e.builder()
	if err != nil {
		return nil, err
	}
	s, err := e.openRows(id)
	if err != nil {
		return nil, err
	}
	emission, err := e.emissionOf(ctx, id, d)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	gate := newThrottle(time.Now())
	f, err := NewFollower(FollowerConfig{
		Cluster: e.cfg.Cluster, Codec: e.cfg.Codec, Definition: d, Store: s, MaxRows: e.cfg.MaxRows,
		Gate: gate, Logger: e.cfg.Logger, Builder: builder, Parks: id.Projection != trail.Name,
		emission: emission, rowActs: e.rowActs(id.Projection),
		refold: func(ctx context.Context, r refolding) ([]byte, error) { return e.refoldRow(ctx, d, r) },
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &running{Follower: f, store: s, gate: gate, retried: retried(g), cancel: cancel, done: make(chan struct{}), began: time.Now()}
	go func() {
		defer close(r.done)
		if err := f.Run(ctx); err != nil {
			e.cfg.Logger.Error("a generation stopped", "projection", id.Projection, "generation", id.Number, "error", err)
		}
	}()
	return r, nil
}

// openRows opens the rows of a generation. Damaged rows are dropped and folded again: the log is the truth, and
// nothing else is lost.
func (e *Engine) openRows(id store.Generation) (store.Store, error) {
	s, err := e.cfg.Stores.Open(id)
	if !errors.Is(err, store.ErrDamaged) {
		return s, err
	}
	e.cfg.Logger.Error("damaged rows are folded again", "projection", id.Projection, "generation", id.Number, "error", err)
	if dropped := e.cfg.Stores.Drop(id); dropped != nil {
		return nil, errors.Join(err, dropped)
	}
	return e.cfg.Stores.Open(id)
}

// acquire returns a generation that runs here, or nil. Its rows stay until readers.Done is called.
func (e *Engine) acquire(id store.Generation) *running {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.running[id]
	if r != nil {
		r.readers.Add(1)
	}
	return r
}
