package engine

import (
	"context"
	"time"

	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/group"
)

// commitAll commits the groups' offsets, for tools.
func (e *Engine) commitAll(ctx context.Context, members map[string]*group.Member) {
	state, _ := e.cfg.Acts.State()
	for name, m := range members {
		live := store.Generation{Projection: name, Number: state.Projection(name).Live}
		if r := e.acquire(live); r != nil {
			e.commit(ctx, m, r.Follower)
			r.readers.Done()
		}
	}
}

func (e *Engine) commit(ctx context.Context, m *group.Member, f *Follower) {
	offsets := make(cluster.Offsets)
	for _, p := range f.Progress() {
		offsets[p.Partition] = p.First
	}
	if len(offsets) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := m.Commit(ctx, offsets); err != nil && ctx.Err() == nil {
		e.cfg.Logger.Debug("group offsets are for tools only and were not committed", "error", err)
	}
}
