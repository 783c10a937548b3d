//go:build synctests

package transactions

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
)

var errDiskGone = errors.New("the process is gone")

// disk is the rows of one process: a store that may be slow, and that saves nothing once the process is gone.
type disk struct {
	*memory.Store
	delay atomic.Int64 // of a Save, in ns
	gone  chan struct{}

	mu    sync.Mutex
	older *memory.Store // the rows as they were some time ago; guarded by mu
}

func newDisk(rows *memory.Store) *disk { return &disk{Store: rows, gone: make(chan struct{})} }

// Save implements store.Store.
func (d *disk) Save(task int32, c store.Checkpoint, fill func(store.Writer) error) error {
	if !wait(d.gone, time.Duration(d.delay.Load())) {
		return errDiskGone
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.gone:
		return errDiskGone
	default:
	}
	return d.Store.Save(task, c, fill)
}

// remember keeps the rows as they are now: what a crash may leave of them.
func (d *disk) remember() {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.Snapshot()
	if err == nil {
		d.older, _ = s.(*memory.Store)
	}
}

// crash returns the rows as they are, and as they were when they were remembered; nothing is saved any more.
func (d *disk) crash() (rows, older *memory.Store) {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.gone)
	return d.Store, d.older
}
