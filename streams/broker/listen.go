package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// listener holds clients back until the log is ready, and can drop all of them at once.
type listener struct {
	net.Listener
	ready chan struct{}
	done  chan struct{}
	once  sync.Once

	mu      sync.Mutex
	conns   map[*conn]struct{} // guarded by mu
	dropped bool               // guarded by mu
}

func listen(addr string) (*listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is in use by another process", addr)
	}
	if err != nil {
		return nil, err
	}
	return &listener{Listener: l, ready: make(chan struct{}), done: make(chan struct{}), conns: map[*conn]struct{}{}}, nil
}

// open lets the waiting clients in. It is called once.
func (l *listener) open() { close(l.ready) }

// Accept waits until the log is ready. It fails only when the listener is closed: kfake never accepts again after an
// error, and running out of file descriptors passes.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.ready:
	case <-l.done:
		return nil, net.ErrClosed
	}
	for {
		c, err := l.Listener.Accept()
		if err == nil {
			return l.track(c), nil
		}
		select {
		case <-l.done:
			return nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (l *listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		close(l.done)
		err = l.Listener.Close()
	})
	return err
}

// drop closes every connection, and every one that comes.
func (l *listener) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropped = true
	for c := range l.conns {
		_ = c.Conn.Close()
	}
}

func (l *listener) track(n net.Conn) *conn {
	c := &conn{Conn: n, listener: l, closed: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dropped {
		_ = n.Close()
	}
	l.conns[c] = struct{}{}
	return c
}

// maxRequest is Kafka's default bound of a request, in bytes.
const maxRequest = 100 << 20

// conn lets only what could be a Kafka request through. kfake allocates whatever size it is told and ends the whole
// process on a request of a kind it does not know.
type conn struct {
	net.Conn
	listener *listener
	start    [6]byte // the size and kind of the request being read
	head     []byte  // what of start is still to be handed on
	left     int     // the bytes of the request after it
	last     int16   // the kind of the last request
	closed   chan struct{}
	once     sync.Once
}

// lingers is for how long a client that is gone is kept that had asked to join a group. kfake answers it when the
// others have joined, and gives up only members that it could answer: without this one that is killed meanwhile is a
// member for ever, and its partitions are nobody's. It is longer than a rebalance takes (package group).
const lingers = 15 * time.Second

// linger waits where kfake must not learn yet that the client is gone.
func (c *conn) linger() {
	if c.last != kmsg.JoinGroup.Int16() {
		return
	}
	timer := time.NewTimer(lingers)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.closed:
	case <-c.listener.done:
	}
}

func (c *conn) Read(p []byte) (int, error) {
	if len(c.head) == 0 && c.left == 0 {
		if err := c.begin(); err != nil {
			return 0, err
		}
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

func (c *conn) begin() error {
	if _, err := io.ReadFull(c.Conn, c.start[:]); err != nil {
		c.linger()
		return err
	}
	size := binary.BigEndian.Uint32(c.start[:4])
	key := int16(binary.BigEndian.Uint16(c.start[4:]))
	if size < 8 || size > maxRequest || kmsg.RequestForKey(key) == nil {
		return fmt.Errorf("%s sent %d bytes of kind %d, which is no Kafka request", c.RemoteAddr(), size, key)
	}
	c.last = key
	c.head, c.left = c.start[:], int(size)-2
	return nil
}

func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	c.listener.mu.Lock()
	delete(c.listener.conns, c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
