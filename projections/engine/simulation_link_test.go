//go:build synctests

package engine_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// link is the network between one process and the broker. It can stand still, so that what was sent arrives late,
// also of a client that has given up, and it can be cut.
type link struct {
	net   *kfake.VirtualNetwork
	wires *sync.WaitGroup // those under way
	ended chan struct{}

	mu     sync.Mutex
	ends   map[net.Conn]bool // guarded by mu; the near ends of the wires
	moving chan struct{}     // guarded by mu; closed while the link is not frozen
	frozen int               // guarded by mu; how often it is frozen
}

func newLink(n *kfake.VirtualNetwork, wires *sync.WaitGroup) *link {
	moving := make(chan struct{})
	close(moving)
	return &link{net: n, wires: wires, ended: make(chan struct{}), ends: make(map[net.Conn]bool), moving: moving}
}

var errLinkEnded = errors.New("the network is gone")

// dial is cluster.Cluster.Dial.
func (l *link) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := l.pass(ctx); err != nil {
		wait(ctx.Done(), time.Second) // the client tries another seed at once, for ever
		return nil, err
	}
	far, err := l.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	client, near := net.Pipe()
	l.mu.Lock()
	l.ends[near] = true
	l.mu.Unlock()
	sent := make(chan []byte, 1024)
	l.wires.Go(func() { l.accept(near, sent) })
	l.wires.Go(func() { l.forward(near, far, sent) })
	l.wires.Go(func() { l.answer(near, far) })
	return client, nil
}

// accept takes what the client sends until it closes the wire, or the wire is cut.
func (l *link) accept(near net.Conn, sent chan<- []byte) {
	defer close(sent)
	for {
		b := make([]byte, 8<<10)
		n, err := near.Read(b)
		if err != nil {
			l.close(near)
			return
		}
		sent <- b[:n]
	}
}

// forward passes on what was sent. What was sent before the wire was closed arrives.
func (l *link) forward(near, far net.Conn, sent <-chan []byte) {
	defer far.Close()
	for b := range sent {
		if l.pass(context.Background()) != nil {
			break
		}
		if _, err := far.Write(b); err != nil {
			break
		}
	}
	l.close(near)
	for range sent { // its sender must not wait for ever
	}
	wait(nil, unnoticed)
}

// unnoticed is how long the broker does not notice that a wire is closed: it takes what was sent before. kfake never
// gives up a member of a group whose connection is closed while it waits to join, so it is longer than a session.
const unnoticed = 15 * time.Second

// answer passes replies on, as long as there is somebody to hear them.
func (l *link) answer(near, far net.Conn) {
	defer l.close(near)
	for b := make([]byte, 8<<10); ; {
		n, err := far.Read(b)
		if err != nil {
			return
		}
		if l.pass(context.Background()) == nil {
			_, _ = near.Write(b[:n])
		}
	}
}

// pass waits until the link moves.
func (l *link) pass(ctx context.Context) error {
	l.mu.Lock()
	moving := l.moving
	l.mu.Unlock()
	select {
	case <-l.ended:
		return errLinkEnded
	default:
	}
	select {
	case <-moving:
		return nil
	case <-l.ended:
		return errLinkEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *link) close(near net.Conn) {
	near.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ends, near)
}

// freeze lets the link stand still until thaw is called as often.
func (l *link) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen++; l.frozen == 1 {
		l.moving = make(chan struct{})
	}
}

func (l *link) thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen--; l.frozen == 0 {
		close(l.moving)
	}
}

// cut closes every wire. What is under way to the broker still arrives, and is answered to nobody.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for near := range l.ends {
		near.Close()
	}
}

// kill ends the link for ever.
func (l *link) kill() {
	close(l.ended)
	l.cut()
}

// wait waits for a while, or until done is closed; it says whether the while is over.
func wait(done <-chan struct{}, d time.Duration) bool {
	select {
	case <-done:
		return false
	default:
	}
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return false
	case <-timer.C:
		return true
	}
}
