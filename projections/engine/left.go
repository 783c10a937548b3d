package engine

import (
	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/store"
)

// leftOut is how many events are left out of rows, by their encoded keys. A row that is folded anew without an event
// is not further than it was before: in a store that several processes write to, it is this that has it stay.
type leftOut map[string]int

// set writes a row.
func (l leftOut) set(w store.Writer, key, value []byte) error {
	if n := l[string(key)]; n > 0 {
		return w.SetWithout(n, key, value)
	}
	return w.Set(key, value)
}

// leftOut returns what is discarded, by rows.
func (s standing) leftOut() leftOut {
	l := make(leftOut)
	for p := range s.discarded {
		l[p.key]++
	}
	return l
}

// count notes what is left out of the task's rows by the acts that it has followed. Of one that it has not followed yet
// nothing is known but in the rows that were folded anew.
func (t *task) count(rows []acts.RowAct) {
	n := min(t.followed, len(rows))
	if n <= t.counted {
		return
	}
	t.counted = n
	for key, left := range (standing{discarded: discardedOf(rows[:n], t.partition)}).leftOut() {
		t.left[key] = max(t.left[key], left)
	}
}

// leftOutOf returns what is left out of the rows of a checkpoint.
func (e *Engine) leftOutOf(name string, partition int32, c store.Checkpoint) leftOut {
	state, _ := e.cfg.Acts.State()
	rows := state.Projection(name).Rows
	return standing{discarded: discardedOf(rows[:min(c.Acts, len(rows))], partition)}.leftOut()
}
