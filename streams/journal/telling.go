package journal

import (
	"fmt"
	"time"
)

// Commands are told what became of them by two: by the writer, and where that waits for too long for something,
// by its watch. So each is told once, by whoever is first, and telling is held meanwhile.

// tell tells a command once. The caller holds telling.
func (i *item[C, O]) tell(outcome O, err error) {
	if i.done == nil {
		return
	}
	done := i.done
	i.done = nil
	done(outcome, err)
}

// own makes items the batch.
func (w *writer[C, O]) own(items []*item[C, O]) {
	w.telling.Lock()
	defer w.telling.Unlock()
	w.batch = items
}

// untold returns what is still to be told of the batch: all, or nothing where it was given up.
func (w *writer[C, O]) untold() []*item[C, O] {
	w.telling.Lock()
	defer w.telling.Unlock()
	if len(w.batch) == 0 || w.batch[0].done == nil {
		return nil
	}
	return w.batch
}

// answer tells the batch what was decided.
func (w *writer[C, O]) answer() {
	w.telling.Lock()
	defer w.telling.Unlock()
	for i, it := range w.batch {
		it.tell(w.outcomes[i], nil)
	}
	if len(w.batch) > 0 {
		w.moved = time.Now()
	}
	w.meter.answered(len(w.batch))
	clear(w.outcomes)
	w.batch, w.records = nil, nil
}

// refuse tells items an error.
func (w *writer[C, O]) refuse(items []*item[C, O], err error) {
	w.telling.Lock()
	defer w.telling.Unlock()
	w.refuseHeld(items, err)
}

// giveUp tells everyone who waits an error.
func (w *writer[C, O]) giveUp(err error) {
	w.telling.Lock()
	defer w.telling.Unlock()
	w.refuseHeld(w.batch, err)
	// What is queued while others are refused may be behind one of them, of which its caller did not know yet.
	for queued := w.queue.take(w.cfg.MaxQueue); len(queued) > 0; queued = w.queue.take(w.cfg.MaxQueue) {
		w.refuseHeld(queued, err)
	}
}

// refuseHeld is refuse by a caller that holds telling.
func (w *writer[C, O]) refuseHeld(items []*item[C, O], err error) {
	err = fmt.Errorf("append to %s/%d: %w", w.cfg.Topic, w.partition, err)
	for _, it := range items {
		var none O
		it.tell(none, err)
	}
}

// watch gives up those who wait whenever nothing has moved for Patience, until the function that it returns is
// called.
func (w *writer[C, O]) watch() (end func()) {
	ending, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			timer := time.NewTimer(w.left())
			select {
			case <-ending:
				timer.Stop()
				return
			case <-timer.C:
			}
			if w.left() <= 0 {
				w.giveUp(fmt.Errorf("%w: nothing has moved for %v", ErrUnavailable, w.cfg.Patience))
			}
		}
	}()
	return func() {
		close(ending)
		<-ended
	}
}

// left returns how long those who wait may still wait.
func (w *writer[C, O]) left() time.Duration {
	w.telling.Lock()
	defer w.telling.Unlock()
	since, waits := w.queue.since()
	if len(w.batch) > 0 && w.batch[0].done != nil {
		since, waits = w.batch[0].since, true
	}
	if !waits {
		return w.cfg.Patience
	}
	if w.moved.After(since) {
		since = w.moved
	}
	return w.cfg.Patience - time.Since(since)
}
