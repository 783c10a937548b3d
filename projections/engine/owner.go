package engine

import (
	"context"
	"sync"
	"time"

	"github.com/refold/refold/streams/group"
)

// groupOf returns the consumer group that shares out the tasks of a projection.
func groupOf(name string) string { return "refold-" + name }

// owners tells who runs which tasks, by the groups of the projections.
type owners struct {
	mu     sync.Mutex
	byName map[string]*group.Owners // guarded by mu
}

// Owner returns the address of the process that runs the tasks of a projection on a partition, as their group
// described it at most maxAge ago; "" where it is not known, or is this one. That is a hint. It is
// group.ErrNobody where no process runs the projection. It is called only while Run runs.
func (e *Engine) Owner(ctx context.Context, name string, partition int32, maxAge time.Duration) (string, error) {
	d, err := e.newest(name)
	if err != nil {
		return "", err
	}
	o, err := e.owners.of(name, func() (*group.Owners, error) { return group.OpenOwners(e.cfg.Cluster, groupOf(name), d.Topic) })
	if err != nil {
		return "", err
	}
	address, err := o.Of(ctx, partition, maxAge)
	if address == e.cfg.Address {
		return "", err
	}
	return address, err
}

// of returns the owners of a projection's tasks, opened when they are first asked for.
func (o *owners) of(name string, open func() (*group.Owners, error)) (*group.Owners, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if known := o.byName[name]; known != nil {
		return known, nil
	}
	opened, err := open()
	if err != nil {
		return nil, err
	}
	if o.byName == nil {
		o.byName = make(map[string]*group.Owners)
	}
	o.byName[name] = opened
	return opened, nil
}

func (o *owners) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, opened := range o.byName {
		opened.Close()
		delete(o.byName, name)
	}
}
