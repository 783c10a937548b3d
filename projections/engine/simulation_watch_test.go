//go:build synctests

package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// A run takes a second and some minutes of virtual time. One that never ends can only be ended with the test, and says
// what it was doing: in a bubble whose clients try again for ever virtual time passes quickly, and in one where a
// goroutine goes round without waiting it stands still.
const (
	longest        = 5 * time.Minute
	longestVirtual = 30 * time.Minute
)

// watch ends the test if stop is not called within a time, which is virtual where it is called in a bubble.
func watch(seed uint64, log *lockedBuffer, within time.Duration) (stop func()) {
	timer := time.AfterFunc(within, func() {
		stacks := make([]byte, 64<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		file, err := leave(seed, log, stacks)
		debug.SetTraceback("single") // all of them are in the file
		panic(fmt.Sprintf("seed=%d has not ended within %s; its history and what all goroutines do is in %s (%v)", seed, within, file, err))
	})
	return func() { timer.Stop() }
}

// leave writes what was logged, and more, to the file of a seed.
func leave(seed uint64, log *lockedBuffer, more []byte) (file string, err error) {
	folder := *simulationKeep
	if folder == "" {
		folder = os.TempDir()
	}
	file = filepath.Join(folder, fmt.Sprintf("engine-simulation-%d.log", seed))
	log.mu.Lock()
	defer log.mu.Unlock()
	return file, errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(file, append(bytes.Clone(log.b.Bytes()), more...), 0o600))
}

// keep leaves what the processes logged where the run failed.
func (w *world) keep(seed uint64) {
	if !w.Failed() {
		return
	}
	file, err := leave(seed, w.log, nil)
	if err != nil {
		w.Error(err)
	}
	w.Logf("run it again with -simulation.seed=%d; its plan was %+v, and what was logged is in %s", seed, w.plan, file)
}

// lockedBuffer is a buffer that many may write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}
