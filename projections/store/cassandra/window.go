package cassandra

import (
	"sync"
	"time"
)

// window bounds how many batches are under way at once, for all generations of a process together. It opens by one for
// as many batches as fit into it that come back in time, and closes by a half where they take long or fail, so that a
// Cassandra that is busy is asked for less, and tasks fold as fast as it can save.
type window struct {
	mu    sync.Mutex
	free  sync.Cond // has mu; told when there may be room
	size  float64   // guarded by mu
	used  int       // guarded by mu
	close time.Time // guarded by mu; when it last closed
}

const (
	// widest bounds the window, narrow is where it begins, and inTime is how long a batch may take.
	widest   = 64
	narrow   = 8
	inTime   = 250 * time.Millisecond
	notAgain = time.Second // after closing, what was under way then says nothing new
)

func newWindow() *window {
	w := &window{size: narrow}
	w.free.L = &w.mu
	return w
}

// enter waits until there is room for one batch.
func (w *window) enter() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.used >= int(w.size) {
		w.free.Wait()
	}
	w.used++
}

// tried notes how one try of a batch went.
func (w *window) tried(took time.Duration, err error, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil && took <= inTime:
		w.size = min(w.size+1/w.size, widest)
	case now.Sub(w.close) >= notAgain:
		w.size, w.close = max(w.size/2, 1), now
	}
}

// leave ends a batch.
func (w *window) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used--
	w.free.Broadcast()
}
