package main

import (
	"runtime/debug"
	"testing"

	"github.com/refold/refold/ops/node"
)

func TestMemoryOfANode(t *testing.T) {
	journal := []node.Role{node.Registry, node.Transactions}
	for name, c := range map[string]struct {
		roles       []node.Role
		asked, want int64
	}{
		"journal":          {journal, 0, 224},
		"projections":      {[]node.Role{node.Projections}, 0, 768},
		"all":              {nil, 0, 768},
		"what is asked":    {journal, 100, 100},
		"more than enough": {nil, 4000, 4000},
	} {
		if got := nodeMemory(c.roles, c.asked); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

// A limit is set where none was, and never over another.
func TestLimitThatWasSetIsHeeded(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	for _, c := range []struct{ set, want int64 }{{1<<63 - 1, 100 << 20}, {200 << 20, 200 << 20}} {
		debug.SetMemoryLimit(c.set)
		limitMemory(100)
		if got := debug.SetMemoryLimit(-1); got != c.want {
			t.Errorf("where it was %d: got %d, want %d", c.set, got, c.want)
		}
	}
}
