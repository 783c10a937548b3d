//go:build synctests

package transactions

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fate is what becomes of a request on its way to a broker and back.
type fate int

const (
	arrives   fate = iota
	requestIs      // lost: the connection is closed instead
	replyIs        // lost: the request is carried out, and the connection closed
	replyLies      // the request is carried out, and the reply of an EndTxn says that it was not
)

// link is the network between one instance and the brokers. It passes requests and replies on, whole and in
// order, after a delay; it can stand still, so that they arrive late, also those of a client that has given up.
type link struct {
	net   *kfake.VirtualNetwork
	delay func() time.Duration
	fate  func(key kmsg.Key) fate

	mu     sync.Mutex
	wires  map[*wire]bool // guarded by mu
	moving chan struct{}  // closed while the link is not frozen; guarded by mu
	frozen int            // how often it is frozen; guarded by mu
	ended  chan struct{}  // closed by end
}

// wire is one connection: a request goes from near to far.
type wire struct {
	near, far net.Conn
	replies   chan expected
	end       func()
}

// expected is a reply that will come.
type expected struct {
	key  kmsg.Key
	flex bool
	fate fate
}

func newLink(n *kfake.VirtualNetwork) *link {
	moving := make(chan struct{})
	close(moving)
	return &link{net: n, wires: make(map[*wire]bool), moving: moving, ended: make(chan struct{})}
}

// dial is cluster.Cluster.Dial.
func (l *link) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := l.pass(ctx); err != nil {
		return nil, err
	}
	far, err := l.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	client, near := net.Pipe()
	w := &wire{near: near, far: far, replies: make(chan expected, 1024)}
	w.end = sync.OnceFunc(func() {
		near.Close()
		l.mu.Lock()
		delete(l.wires, w)
		l.mu.Unlock()
	})
	l.mu.Lock()
	l.wires[w] = true
	l.mu.Unlock()
	go l.requests(w)
	go l.answers(w)
	return client, nil
}

var errLinkEnded = errors.New("the network is gone")

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

// cut closes every connection. What is under way to the brokers still arrives.
func (l *link) cut() {
	l.mu.Lock()
	var wires []*wire
	for w := range l.wires {
		wires = append(wires, w)
	}
	l.mu.Unlock()
	for _, w := range wires {
		w.end()
	}
}

// kill ends the link for ever.
func (l *link) kill() {
	close(l.ended)
	l.cut()
}

// requests passes requests on until the client closes; those that it has sent by then arrive.
func (l *link) requests(w *wire) {
	defer w.end()
	var last kmsg.Key
	defer func() {
		if last == kmsg.JoinGroup { // the embedded broker keeps who is gone, until it can be given up
			time.AfterFunc(15*time.Second, func() { w.far.Close() })
			return
		}
		w.far.Close()
	}()
	sent := make(chan []byte, 1024)
	go func() {
		defer close(sent)
		for {
			frame, err := readFrame(w.near)
			if err != nil {
				return
			}
			sent <- frame
		}
	}()
	defer func() {
		w.end() // the reader of it must not wait for ever
		for range sent {
		}
	}()
	defer close(w.replies)
	for frame := range sent {
		last = kmsg.Key(binary.BigEndian.Uint16(frame[4:]))
		if !l.forward(w, frame) {
			return
		}
	}
}

func (l *link) forward(w *wire, frame []byte) bool {
	wait(l.ended, l.delay())
	if l.pass(context.Background()) != nil {
		return false
	}
	key, version := kmsg.Key(binary.BigEndian.Uint16(frame[4:])), int16(binary.BigEndian.Uint16(frame[6:]))
	req := kmsg.RequestForKey(int16(key))
	req.SetVersion(version)
	e := expected{key: key, flex: req.IsFlexible(), fate: l.fate(key)}
	if e.fate == requestIs {
		return false
	}
	if _, err := w.far.Write(frame); err != nil {
		return false
	}
	w.replies <- e
	return true
}

// answers passes replies on.
func (l *link) answers(w *wire) {
	defer w.end()
	for e := range w.replies {
		frame, err := readFrame(w.far)
		if err != nil || e.fate == replyIs {
			break
		}
		wait(l.ended, l.delay())
		if l.pass(context.Background()) != nil {
			break
		}
		if e.fate == replyLies {
			lie(frame, e)
		}
		if _, err := w.near.Write(frame); err != nil {
			break
		}
	}
	w.end()
	// What was sent is carried out, and answered to nobody.
	for range w.replies {
		if _, err := readFrame(w.far); err != nil {
			w.far.Close()
		}
	}
}

// lie makes the reply of an EndTxn an error.
func lie(frame []byte, e expected) {
	at := 4 + 4 + 4 // size, correlation id, throttle time
	if e.flex {
		at++ // tags of the header
	}
	if e.key == kmsg.EndTxn && len(frame) >= at+2 {
		binary.BigEndian.PutUint16(frame[at:], uint16(0xffff)) // UNKNOWN_SERVER_ERROR
	}
}

// readFrame reads a request or reply with its size.
func readFrame(c net.Conn) ([]byte, error) {
	size := make([]byte, 4)
	if _, err := io.ReadFull(c, size); err != nil {
		return nil, err
	}
	frame := make([]byte, 4+binary.BigEndian.Uint32(size))
	copy(frame, size)
	_, err := io.ReadFull(c, frame[4:])
	return frame, err
}

// wait waits for a while, or until done is closed; it says whether the while is over.
func wait(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return false
	case <-timer.C:
		return true
	}
}
