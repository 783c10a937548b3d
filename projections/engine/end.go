package engine

import (
	"errors"
	"maps"
	"slices"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/store"
)

// drop stops a generation and removes its rows, once.
func (e *Engine) drop(id store.Generation) {
	e.mu.Lock()
	dropped := e.dropped[id]
	e.mu.Unlock()
	if dropped {
		return
	}
	e.unseed(id)
	e.end(id, func() error {
		if err := e.cfg.Stores.Drop(id); err != nil {
			return err
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.dropped[id] = true
		return nil
	})
}

// retried returns the act that last made a generation try again, "" where none did.
func retried(g acts.Generation) string {
	if g.Retried == nil {
		return ""
	}
	return g.Retried.ActID
}

// again stops a generation that is to try again, so that it is started anew, from what it has saved.
func (e *Engine) again(id store.Generation, g acts.Generation) {
	e.mu.Lock()
	r := e.running[id]
	e.mu.Unlock()
	if r != nil && r.retried != retried(g) {
		e.end(id, func() error { return nil })
	}
}

// end stops a generation and does what is to be done then, while everything else goes on: a stop waits for those who
// read its rows, for as long as they do. The generation is not started meanwhile. What fails is tried again.
func (e *Engine) end(id store.Generation, then func() error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ending[id] {
		return
	}
	r := e.running[id]
	delete(e.running, id)
	delete(e.failed, id)
	e.ending[id] = true
	e.ended.Go(func() {
		err := r.stop()
		if err == nil {
			err = then()
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.ending, id)
		if err != nil {
			e.cfg.Logger.Error("a generation could not be ended", "projection", id.Projection, "generation", id.Number, "error", err)
			return
		}
		e.wake()
	})
}

func (r *running) stop() error {
	if r == nil {
		return nil
	}
	r.cancel()
	<-r.done
	r.readers.Wait()
	r.Follower.Close()
	return r.store.Close()
}

func (e *Engine) stopAll() error {
	e.mu.Lock()
	seeds := slices.Collect(maps.Keys(e.seeds))
	e.mu.Unlock()
	for _, id := range seeds {
		e.unseed(id)
	}
	e.mu.Lock()
	running := slices.Collect(maps.Values(e.running))
	clear(e.running) // nobody acquires them any more
	e.mu.Unlock()
	var problems []error
	for _, r := range running {
		problems = append(problems, r.stop())
	}
	e.ended.Wait()
	return errors.Join(problems...)
}
