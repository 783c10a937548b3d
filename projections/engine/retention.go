package engine

import (
	"cmp"
	"context"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/schemas/event"
)

// defaultRetention is how long one may go back, where nothing else is said.
const defaultRetention = 24 * time.Hour

// retire cancels the generation that was live before, when its time is over: its rows are dropped everywhere, and
// there is no going back any more. That another process did the same meanwhile is as well.
func (e *Engine) retire(ctx context.Context, name string, p acts.Projection, now time.Time) {
	live, ok := p.Generation(p.Live)
	if !ok || live.Promoted == nil || now.Sub(live.Promoted.RecordedAt.Time()) < cmp.Or(e.cfg.Retention, defaultRetention) {
		return
	}
	before, ok := p.Generation(live.Before)
	if !ok || before.Cancelled {
		return
	}
	err := e.about(ctx, name, p, before, event.ActRecorded{
		Kind: event.ActGenerationCancelled, Principal: Platform, Reason: "its retention after the promotion is over",
	})
	if _, refused := acts.IsRefusal(err); err != nil && !refused && ctx.Err() == nil {
		e.cfg.Logger.Warn("a generation could not be retired", "projection", name, "generation", before.Number, "error", err)
	}
}
