package broker

import (
	"bufio"
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
	barrier *barrier
	ready   chan struct{}
	done    chan struct{}
	once    sync.Once

	mu      sync.Mutex
	conns   map[*conn]struct{} // guarded by mu
	dropped bool               // guarded by mu
}

func listen(addr string, b *barrier) (*listener, error) {
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is in use by another process", addr)
	}
	if err != nil {
		return nil, err
	}
	return &listener{Listener: l, barrier: b, ready: make(chan struct{}), done: make(chan struct{}), conns: map[*conn]struct{}{}}, nil
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
	c := &conn{Conn: n, in: bufio.NewReader(n), listener: l, closed: make(chan struct{})}
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

// conn lets only what could be a Kafka request through, and holds answers back until what they tell is on disk. kfake
// allocates whatever size it is told and ends the whole process on a request of a kind it does not know.
type conn struct {
	net.Conn
	in       *bufio.Reader // of Conn
	listener *listener
	left     int      // the bytes of the request being read
	last     kmsg.Key // the kind of the last request
	closed   chan struct{}
	once     sync.Once

	mu   sync.Mutex
	open []pending // requests that are not answered, the oldest first; guarded by mu
}

// pending is a request that waits for its answer.
type pending struct {
	correlation int32
	promise     promise
}

// lingers is for how long a client that is gone is kept that had asked to join a group. kfake answers it when the
// others have joined, and gives up only members that it could answer: without this one that is killed meanwhile is a
// member for ever, and its partitions are nobody's. It is longer than a rebalance takes (package group).
const lingers = 15 * time.Second

// linger waits where kfake must not learn yet that the client is gone.
func (c *conn) linger() {
	if c.last != kmsg.JoinGroup {
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
	if c.left == 0 {
		if err := c.begin(); err != nil {
			return 0, err
		}
	}
	n, err := c.in.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// begin looks at the head of the next request: size, kind, version and correlation id.
func (c *conn) begin() error {
	head, err := c.in.Peek(6)
	if err != nil {
		c.linger()
		return err
	}
	size, key := binary.BigEndian.Uint32(head), int16(binary.BigEndian.Uint16(head[4:]))
	if size < 8 || size > maxRequest || kmsg.RequestForKey(key) == nil {
		return fmt.Errorf("%s sent %d bytes of kind %d, which is no Kafka request", c.RemoteAddr(), size, key)
	}
	c.left, c.last = 4+int(size), kmsg.Key(key)
	if head, err = c.peek(12); err != nil {
		return err
	}
	version, correlation := int16(binary.BigEndian.Uint16(head[6:])), int32(binary.BigEndian.Uint32(head[8:]))
	told := promiseOf(c.last, c.last == kmsg.Produce && version >= 3 && c.inTransaction(version))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, pending{correlation, told})
	return nil
}

// inTransaction tells whether the Produce request that begins names a transactional id, which follows the client's:
// a string of which the length is told in two bytes, and from version 9 on, behind the tags of the header, in a varint.
func (c *conn) inTransaction(version int16) bool {
	at := 14
	if head, err := c.peek(at); err == nil {
		at += max(0, int(int16(binary.BigEndian.Uint16(head[12:]))))
	}
	head, err := c.peek(at + 2)
	if err != nil {
		return false
	}
	if version < 9 {
		return int16(binary.BigEndian.Uint16(head[at:])) >= 0
	}
	return head[at] == 0 && head[at+1] > 0
}

// peek returns the first bytes of the request that begins.
func (c *conn) peek(n int) ([]byte, error) {
	if n > c.left {
		return nil, io.ErrUnexpectedEOF
	}
	return c.in.Peek(n)
}

// Write sends an answer: kfake calls it once for each.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.listener.barrier.wait(c.promised(p)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// promised returns what an answer promises, by the request of its correlation id. Requests before it are not answered.
func (c *conn) promised(answer []byte) promise {
	c.mu.Lock()
	defer c.mu.Unlock()
	correlation := int32(binary.BigEndian.Uint32(answer[4:]))
	for i, a := range c.open {
		if a.correlation == correlation {
			c.open = append(c.open[:0], c.open[i+1:]...)
			return a.promise
		}
	}
	return toldWrite
}

func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	c.listener.mu.Lock()
	delete(c.listener.conns, c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
