package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// moment is when a request is disturbed.
type moment string

const (
	before moment = "before delivery"
	after  moment = "after delivery, before the reply"
)

// verdict is what becomes of a request before delivery, or of its reply after it.
type verdict int

const (
	pass   verdict = iota // it is handed on
	cut                   // the connection is closed
	forget                // it is dropped, and the connection stays
	lie                   // of EndTxn: it aborts before delivery; the reply says that the producer was fenced
)

// trap waits for a request of a kind.
type trap struct {
	key kmsg.Key
	at  moment
	// fenced says that only requests on a connection that has initialized a transactional id are meant.
	fenced bool
	// sprung is called once, when the request is there, and decides about it. The connection waits for it.
	// The owner is claimed; who has set the trap releases it.
	sprung func(*proxy) verdict
	// taken says that a request has come: a trap may be set in several proxies.
	taken atomic.Bool
}

// proxy stands between an owner and the broker. It springs traps.
type proxy struct {
	owner    *owner
	broker   string
	listener net.Listener
	// narrow takes from clients that the broker knows transactions of version 2 (KIP-890).
	narrow bool

	mu    sync.Mutex
	traps []*trap           // guarded by mu
	conns map[net.Conn]bool // guarded by mu
	apart bool              // guarded by mu; nobody gets through
}

// newProxy returns a proxy that lets nobody in before accept.
func newProxy(broker string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen before %s: %w", broker, err)
	}
	return &proxy{broker: broker, listener: l, conns: make(map[net.Conn]bool)}, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) close() {
	_ = p.listener.Close()
	p.cut()
}

// cut closes every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// part lets nobody through, or everybody again.
func (p *proxy) part(apart bool) {
	p.mu.Lock()
	p.apart = apart
	p.mu.Unlock()
	if apart {
		p.cut()
	}
}

// accept serves until the proxy is closed.
func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.serve(client)
	}
}

func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return !p.apart
}

func (p *proxy) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *proxy) serve(client net.Conn) {
	defer p.drop(client)
	if !p.keep(client) {
		return
	}
	server, err := net.Dial("tcp", p.broker)
	if err != nil {
		return
	}
	defer p.drop(server)
	p.keep(server)
	s := &session{proxy: p, client: client, server: server, asked: make(map[uint32]asked)}
	replies := make(chan struct{})
	go func() {
		defer close(replies)
		defer p.drop(client)
		_ = s.replies() // a connection that ends is daily business
	}()
	_ = s.requests()
	p.drop(server)
	<-replies
	s.overdue()
}

// session is one connection.
type session struct {
	*proxy
	client, server net.Conn

	mu     sync.Mutex
	asked  map[uint32]asked // guarded by mu; by correlation id
	fenced bool             // guarded by mu
}

type asked struct {
	key     kmsg.Key
	version int16
	trap    *trap // that is sprung by the reply
	lie     bool  // the reply says that the producer was fenced
	check   bool  // it is the node's own question whether the brokers know transactions of version 2
}

var errCut = errors.New("cut")

func (s *session) requests() error {
	for {
		frame, err := readFrame(s.client)
		if err != nil {
			return err
		}
		a := asked{key: kmsg.Key(binary.BigEndian.Uint16(frame[4:])), version: int16(binary.BigEndian.Uint16(frame[6:]))}
		a.check = a.key == kmsg.ApiVersions && bytes.Contains(frame, []byte("\x07refold\x021"))
		t := s.meets(a, frame)
		if t != nil && t.at == after {
			a.trap = t
		}
		if t != nil && t.at == before {
			switch t.sprung(s.proxy) {
			case cut:
				return errCut
			case forget:
				continue
			case lie:
				a.lie = true
				abort(a, frame)
			case pass:
			}
		}
		s.mu.Lock()
		s.asked[binary.BigEndian.Uint32(frame[8:])] = a
		s.mu.Unlock()
		if _, err := s.server.Write(frame); err != nil {
			return err
		}
	}
}

// meets takes the trap that waits for a request, if there is one.
func (s *session) meets(a asked, frame []byte) *trap {
	if !ofTransaction(a, frame) {
		return nil
	}
	s.mu.Lock()
	s.fenced = s.fenced || a.key == kmsg.InitProducerID
	fenced := s.fenced
	s.mu.Unlock()
	s.proxy.mu.Lock()
	defer s.proxy.mu.Unlock()
	for i, t := range s.traps {
		if t.key != a.key || t.fenced && !fenced || !s.owner.claim() {
			continue
		}
		if !t.taken.CompareAndSwap(false, true) {
			s.owner.release()
			continue
		}
		s.traps = append(s.traps[:i:i], s.traps[i+1:]...)
		return t
	}
	return nil
}

func (s *session) replies() error {
	for {
		frame, err := readFrame(s.server)
		if err != nil {
			return err
		}
		id := binary.BigEndian.Uint32(frame[4:])
		s.mu.Lock()
		a := s.asked[id]
		delete(s.asked, id)
		s.mu.Unlock()
		if a.trap != nil {
			switch a.trap.sprung(s.proxy) {
			case cut:
				return errCut
			case forget:
				continue
			case lie:
				a.lie = true
			case pass:
			}
		}
		if a.lie {
			fence(a, frame)
		}
		if frame, err = s.rewrite(a, frame); err != nil {
			return err
		}
		if _, err := s.client.Write(frame); err != nil {
			return err
		}
	}
}

// overdue springs what waited for a reply that does not come any more, because the connection ended: the owner is
// claimed, and who has set the trap waits for it.
func (s *session) overdue() {
	for _, a := range s.asked { // nobody else uses it by now
		if a.trap != nil {
			a.trap.sprung(s.proxy)
		}
	}
}

// readFrame reads one request or reply with its size before it.
func readFrame(c net.Conn) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, 4+binary.BigEndian.Uint32(size[:]))
	copy(frame, size[:])
	_, err := io.ReadFull(c, frame[4:])
	if err == nil && len(frame) < 8 {
		err = io.ErrUnexpectedEOF
	}
	return frame, err
}

// set sets a trap; it takes the first request that it waits for.
func (p *proxy) set(t *trap) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.traps = append(p.traps, t)
}

// unset takes a trap away that was not sprung.
func (p *proxy) unset(t *trap) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.traps {
		if p.traps[i] == t {
			p.traps = append(p.traps[:i:i], p.traps[i+1:]...)
			return
		}
	}
}
