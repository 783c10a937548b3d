package engine

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store"
)

// pair is a row as it is stored. One that is parked may have no value.
type pair struct {
	key, value []byte
	parked     *store.Parked // nil where it goes on
}

// whole is all that two generations must agree on of a row: that it stands still, and since when, is part of it.
func (p pair) whole() []byte {
	if p.parked == nil {
		return p.value
	}
	return fmt.Appendf(bytes.Clone(p.value), "parked at %d", p.parked.Position)
}

// text returns the row as JSON, "" where there is none.
func (p pair) text(d *projection.Definition) (string, error) {
	if p.value == nil {
		return "", nil
	}
	return d.Text(p.value)
}

// howFar are the differences between two rows in how far they were folded; order says which sides there are.
func howFar(order int, a, b pair) (out []Field) {
	if before, after := a.since(), b.since(); before != after {
		out = append(out, Field{Path: "(parked)", Live: before, Candidate: after})
	}
	before, _ := projection.StoredOffset(a.value)
	after, _ := projection.StoredOffset(b.value)
	if order == 0 && a.value != nil && b.value != nil && before != after {
		out = append(out, Field{Path: "(folded to)", Live: fmt.Sprint(before), Candidate: fmt.Sprint(after)})
	}
	return out
}

// since says that a row is parked, "" where it is not.
func (p pair) since() string {
	if p.parked == nil {
		return ""
	}
	return fmt.Sprintf("at %d: %s", p.parked.Position, p.parked.Reason)
}

// scan yields copies of a task's rows in order of their keys, and those that are parked before they had a value; *err
// is set when it ends early.
func scan(s store.Reader, partition int32, err *error) iter.Seq[pair] {
	return func(yield func(pair) bool) {
		var c store.Checkpoint
		if c, *err = s.Checkpoint(partition); *err != nil {
			return
		}
		parked := standingAt(c)
		more := true
		*err = s.Scan(partition, nil, nil, func(k, v []byte) bool {
			for len(parked) > 0 && bytes.Compare(parked[0].Key, k) < 0 && more {
				more = yield(pair{key: parked[0].Key, parked: &parked[0]})
				parked = parked[1:]
			}
			row := pair{key: bytes.Clone(k), value: bytes.Clone(v)}
			if len(parked) > 0 && bytes.Equal(parked[0].Key, k) {
				row.parked, parked = &parked[0], parked[1:]
			}
			more = more && yield(row)
			return more
		})
		for i := 0; i < len(parked) && more && *err == nil; i++ {
			more = yield(pair{key: parked[i].Key, parked: &parked[i]})
		}
	}
}
