package fake

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

// Fate is what becomes of a request on its way to a broker and back.
type Fate int

// The fates of requests.
const (
	Arrives     Fate = iota // it is carried out, and answered
	RequestLost             // the connection is closed instead
	ReplyLost               // the request is carried out, and the connection closed
	ReplyLies               // the request is carried out, and the reply of an EndTxn says that it was not
)

// Link is the network between one process of a simulation and the brokers. It passes requests and replies on, whole
// and in order; it can stand still, so that they arrive late, also those of a client that has given up, and it can be
// cut. Its methods may be called concurrently.
type Link struct {
	// Delay is for how long the next request or reply is under way; nil is for no time. It is set before Dial.
	Delay func() time.Duration
	// Fate tells what becomes of the next request of a kind; where it is nil, all arrive. It is set before Dial.
	Fate func(kmsg.Key) Fate

	net   *kfake.VirtualNetwork
	wires sync.WaitGroup // what is done for them
	ended chan struct{}  // closed by Kill

	mu     sync.Mutex
	open   map[*wire]bool // guarded by mu
	moving chan struct{}  // closed while the link is not frozen; guarded by mu
	frozen int            // how often it is frozen; guarded by mu
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
	fate Fate
}

// NewLink returns a link to the brokers of a network.
func NewLink(n *kfake.VirtualNetwork) *Link {
	moving := make(chan struct{})
	close(moving)
	return &Link{net: n, ended: make(chan struct{}), open: make(map[*wire]bool), moving: moving}
}

// refused is how long Dial takes to fail on a link that has ended: a client would try again at once, for ever.
const refused = time.Second

// Dial is cluster.Cluster.Dial.
func (l *Link) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if err := l.pass(ctx); err != nil {
		pause(ctx.Done(), refused)
		return nil, err
	}
	far, err := l.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	client, near := net.Pipe()
	w := &wire{near: near, far: far, replies: make(chan expected, 1024)}
	w.end = sync.OnceFunc(func() {
		_ = near.Close()
		l.mu.Lock()
		delete(l.open, w)
		l.mu.Unlock()
	})
	l.mu.Lock()
	l.open[w] = true
	l.mu.Unlock()
	sent := make(chan []byte, 1024)
	l.wires.Go(func() { w.accept(sent) })
	l.wires.Go(func() { l.requests(w, sent) })
	l.wires.Go(func() { l.answers(w) })
	return client, nil
}

// Freeze lets the link stand still until Thaw is called as often.
func (l *Link) Freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen++; l.frozen == 1 {
		l.moving = make(chan struct{})
	}
}

// Thaw ends one Freeze.
func (l *Link) Thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen--; l.frozen == 0 {
		close(l.moving)
	}
}

// Cut closes every connection. What is under way to the brokers still arrives, and is answered to nobody.
func (l *Link) Cut() {
	l.mu.Lock()
	var open []*wire
	for w := range l.open {
		open = append(open, w)
	}
	l.mu.Unlock()
	for _, w := range open {
		w.end()
	}
}

// Kill ends the link for ever. It is called once.
func (l *Link) Kill() {
	close(l.ended)
	l.Cut()
}

// Wait returns when the brokers have noticed that every connection is closed.
func (l *Link) Wait() { l.wires.Wait() }

var errLinkEnded = errors.New("the network is gone")

// pass waits until the link moves.
func (l *Link) pass(ctx context.Context) error {
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

// travel takes the time that a request or reply is under way. It reports whether it arrives.
func (l *Link) travel() bool {
	if l.Delay != nil {
		pause(l.ended, l.Delay())
	}
	return l.pass(context.Background()) == nil
}

// accept takes requests until the client closes the wire, or the wire is cut.
func (w *wire) accept(sent chan<- []byte) {
	defer close(sent)
	for {
		frame, err := readFrame(w.near)
		if err != nil {
			return
		}
		sent <- frame
	}
}

// lingers is how long a broker does not notice that a connection is closed on which a request was sent last that joins
// a group: kfake gives up only members that it could answer (see package broker). It is longer than a session.
const lingers = 15 * time.Second

// requests passes requests on until the client closes; those that it has sent by then arrive.
func (l *Link) requests(w *wire, sent <-chan []byte) {
	var last kmsg.Key
	for frame := range sent {
		last = keyOf(frame)
		if !l.forward(w, frame) {
			break
		}
	}
	close(w.replies)
	w.end() // so that accept ends
	for range sent {
	}
	if last == kmsg.JoinGroup {
		pause(nil, lingers)
	}
	_ = w.far.Close()
}

func (l *Link) forward(w *wire, frame []byte) bool {
	if !l.travel() {
		return false
	}
	e := expected{key: keyOf(frame), flex: isFlexible(frame)}
	if l.Fate != nil {
		e.fate = l.Fate(e.key)
	}
	if e.fate == RequestLost {
		return false
	}
	if _, err := w.far.Write(frame); err != nil {
		return false
	}
	w.replies <- e
	return true
}

// answers passes replies on.
func (l *Link) answers(w *wire) {
	for e := range w.replies {
		frame, err := readFrame(w.far)
		if err != nil || e.fate == ReplyLost || !l.travel() {
			break
		}
		if e.fate == ReplyLies {
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
			_ = w.far.Close()
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

func keyOf(frame []byte) kmsg.Key { return kmsg.Key(binary.BigEndian.Uint16(frame[4:])) }

func isFlexible(frame []byte) bool {
	req := kmsg.RequestForKey(int16(binary.BigEndian.Uint16(frame[4:])))
	req.SetVersion(int16(binary.BigEndian.Uint16(frame[6:])))
	return req.IsFlexible()
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

// pause waits for a while, or until done is closed.
func pause(done <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}
