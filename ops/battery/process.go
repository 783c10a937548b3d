package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program of the bank that can be killed, stopped and started again. Its methods may be called
// concurrently; who starts it also ends it.
type process struct {
	name string
	dir  string // of its log
	// ready is in the line that says that it serves.
	ready   string
	program string
	args    []string
	// engine says that it is a node of Kafka or Cassandra: it is slow to start, and slower to stop well when others
	// are gone.
	engine bool

	mu      sync.Mutex
	cmd     *exec.Cmd     // guarded by mu; nil while it does not run
	ended   chan struct{} // guarded by mu; closed when cmd has ended
	wanted  bool          // guarded by mu; that it ends is not its own doing
	strange []string      // guarded by mu; ends that were its own doing
}

// patience bounds every wait for something that must come.
const patience = time.Minute

// start starts the process and returns when it serves.
func (p *process) start() error {
	log, err := os.OpenFile(filepath.Join(p.dir, p.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	cmd := exec.Command(p.program, p.args...)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, errors.Join(err, log.Close()))
	}
	ended, serves := make(chan struct{}), make(chan struct{})
	p.mu.Lock()
	p.cmd, p.ended, p.wanted = cmd, ended, false
	p.mu.Unlock()
	go func() {
		p.drain(io.TeeReader(out, log), serves)
		err := cmd.Wait()
		_ = log.Close()
		p.gone(cmd, err)
		close(ended)
	}()
	bound := patience
	if p.engine {
		bound = 3 * patience
	}
	select {
	case <-serves:
		return nil
	case <-ended:
		return fmt.Errorf("start %s: it ended before it served: see %s", p.name, log.Name())
	case <-time.After(bound):
		return fmt.Errorf("start %s: it does not serve after %s: see %s", p.name, bound, log.Name())
	}
}

// drain reads what the process prints, and says when it serves.
func (p *process) drain(out io.Reader, serves chan<- struct{}) {
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if serves != nil && strings.Contains(line, p.ready) {
			close(serves)
			serves = nil
		}
	}
}

func (p *process) gone(cmd *exec.Cmd, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.wanted {
		p.strange = append(p.strange, fmt.Sprintf("%s ended by itself: %v, exit code %d", p.name, err, cmd.ProcessState.ExitCode()))
	}
	p.cmd = nil
}

// signal sends a signal, if the process runs.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	if s != syscall.SIGSTOP && s != syscall.SIGCONT {
		p.wanted = true
	}
	_ = p.cmd.Process.Signal(s) // one that has just ended is as well
}

// end sends a signal that ends the process, and waits until it has.
func (p *process) end(s syscall.Signal) {
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	p.signal(s)
	if ended != nil {
		<-ended
	}
}

// restart ends the process with a signal, waits for pause, and starts it again.
func (p *process) restart(s syscall.Signal, pause func()) error {
	p.end(s)
	pause()
	return p.start()
}

// close ends the process for good.
func (p *process) close() {
	p.signal(syscall.SIGCONT)
	if p.engine {
		p.end(syscall.SIGKILL)
		return
	}
	p.end(syscall.SIGTERM)
}

// done is closed when the process has ended.
func (p *process) done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// alone returns how the process has ended by itself.
func (p *process) alone() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.strange
}

// forgive forgets how the process has ended by itself.
func (p *process) forgive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.strange = nil
}

// freeAddress returns an address on which nobody listens, for a process that keeps it over its restarts: below
// the ports that systems give to outgoing connections, one of which could have it meanwhile.
func freeAddress() (string, error) {
	var problem error
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000)))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
		problem = err
	}
	return "", fmt.Errorf("find a free port: %w", problem)
}
