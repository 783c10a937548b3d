package journal

import (
	"slices"
	"sync"
	"time"
)

// item is a command that waits for its answer.
type item[C, O any] struct {
	command C
	since   time.Time
	done    func(O, error) // guarded by writer.telling; nil when it was called
}

// queue holds the commands of one partition in the order in which they came.
type queue[C, O any] struct {
	limit int
	// ready holds a token whenever something was put into an empty queue.
	ready chan struct{}

	mu     sync.Mutex
	items  []*item[C, O] // guarded by mu
	closed bool          // guarded by mu
}

func newQueue[C, O any](limit int) *queue[C, O] {
	return &queue[C, O]{limit: limit, ready: make(chan struct{}, 1)}
}

func (q *queue[C, O]) push(it *item[C, O]) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return ErrNotOwner
	case len(q.items) >= q.limit:
		return ErrBusy
	}
	q.items = append(q.items, it)
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return nil
}

// take removes and returns the first n items, or as many as there are.
func (q *queue[C, O]) take(n int) []*item[C, O] {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.items))
	out := slices.Clone(q.items[:n])
	q.items = slices.Delete(q.items, 0, n)
	return out
}

// since returns when the first item came; false where there is none.
func (q *queue[C, O]) since() (time.Time, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return time.Time{}, false
	}
	return q.items[0].since, true
}

// close lets nothing in any more and returns what is left.
func (q *queue[C, O]) close() []*item[C, O] {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	return q.take(q.limit)
}

func (q *queue[C, O]) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}
