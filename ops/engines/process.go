package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func (e *engine) log() string     { return filepath.Join(e.Dir, "log.txt") }
func (e *engine) pidFile() string { return filepath.Join(e.Dir, "pid") }

// process returns the process of an engine, and whether it runs.
func (e *engine) process() (int, bool) {
	b, err := os.ReadFile(e.pidFile())
	if err != nil {
		return 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid, err == nil && e.owns(pid)
}

// owns tells whether a process is the one that was started here. An id may have come to name another since: the
// command line of ours names the folder of the engine.
func (e *engine) owns(pid int) bool {
	out, err := exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), e.Dir+string(filepath.Separator))
}

// status says in one line whether an engine runs, and where.
func (e *engine) status() string {
	pid, runs := e.process()
	switch {
	case !runs:
		return e.String() + " does not run"
	case !e.answers():
		return fmt.Sprintf("%s runs as process %d and does not answer at %s", e, pid, e.address())
	}
	return fmt.Sprintf("%s answers at %s as process %d: %s=%s", e, e.address(), pid, e.variable(), e.addresses())
}

// answers tells whether an engine answers the first request of its protocol.
func (e *engine) answers() bool {
	conn, err := net.DialTimeout("tcp", e.address(), time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	hello := []byte{4, 0, 0, 0, 5, 0, 0, 0, 0} // CQL version 4: OPTIONS
	if e.Name == kafka {
		hello = []byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0, 0} // ApiVersions 0
	}
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return false
	}
	if _, err := conn.Write(hello); err != nil {
		return false
	}
	_, err = io.ReadFull(conn, make([]byte, 9))
	return err == nil
}

// stopAll stops the engines that run, all at once: the last nodes of a cluster could not end well by themselves.
func stopAll(engines []*engine) error {
	problems := make([]error, len(engines))
	var all sync.WaitGroup
	for i, e := range engines {
		all.Go(func() {
			if err := e.stop(); err != nil {
				problems[i] = fmt.Errorf("stop %s: %w", e, err)
			}
		})
	}
	all.Wait()
	return errors.Join(problems...)
}

// grace is how long an engine has to end by itself.
const grace = 30 * time.Second

// stop ends an engine that runs, if need be by force.
func (e *engine) stop() error {
	pid, runs := e.process()
	if !runs {
		return nil
	}
	if err := e.end(pid, syscall.SIGTERM, grace); err == nil {
		return os.Remove(e.pidFile())
	}
	if err := e.end(pid, syscall.SIGKILL, patience); err != nil {
		return err
	}
	return os.Remove(e.pidFile())
}

// end sends a signal, and waits until the process is gone.
func (e *engine) end(pid int, s syscall.Signal, within time.Duration) error {
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return until(ctx, func() (bool, error) { return !e.owns(pid), nil }, fmt.Sprintf("the end of process %d", pid))
}

// until asks again and again whether something is so, for as long as patience lasts.
func until(ctx context.Context, so func() (bool, error), what string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if yes, err := so(); yes || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		}
	}
}
