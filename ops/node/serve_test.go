package node

import (
	"errors"
	"testing"
)

// A node with a broker of its own is ready when every partition has an owner, here or in another process, which
// may have taken a part of them while the node was away.
func TestEveryPartitionNeedsAnOwner(t *testing.T) {
	here := map[int32]bool{0: true, 2: true}
	for name, c := range map[string]struct {
		owner string
		err   error
		ready bool
	}{
		"another node": {"127.0.0.1:9090", nil, true},
		"nobody":       {"", nil, false},
		"not known":    {"", errors.New("no broker answers"), false},
	} {
		err := allOwned(3, here, func(p int32) (string, error) {
			if p != 1 {
				t.Errorf("%s: partition %d is asked for, which is served here", name, p)
			}
			return c.owner, c.err
		})
		if (err == nil) != c.ready {
			t.Errorf("%s: got %v, want ready: %t", name, err, c.ready)
		}
	}
}
