package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// memLog is a Log in memory.
type memLog struct {
	gap int64 // how many offsets to leave free behind each record, as a transaction marker does

	mu        sync.Mutex
	records   []memRecord
	next      int64
	changed   chan struct{}
	appendErr error         // what Append answers, without adding the record
	endErr    error         // what End answers
	hold      chan struct{} // while not nil, Follow delivers nothing that is added
}

type memRecord struct {
	offset     int64
	key, value []byte
}

func (l *memLog) Append(_ context.Context, key, value []byte) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.appendErr != nil {
		return 0, l.appendErr
	}
	offset := l.next
	l.records = append(l.records, memRecord{offset, key, value})
	l.next += 1 + l.gap
	l.wake()
	return offset, nil
}

// wake wakes the followers; l.mu must be held.
func (l *memLog) wake() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// add appends a record of JSON texts.
func (l *memLog) add(t *testing.T, key, value string) int64 {
	t.Helper()
	offset, err := l.Append(t.Context(), []byte(key), []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return offset
}

func (l *memLog) Follow(ctx context.Context, from int64, fn func(int64, []byte, []byte) error) error {
	for i := 0; ; {
		l.mu.Lock()
		batch := l.records[i:]
		hold := l.hold
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		if hold != nil {
			batch, changed = nil, hold
		}
		for _, r := range batch {
			i++
			if r.offset < from {
				continue
			}
			if err := fn(r.offset, r.key, r.value); err != nil {
				return fmt.Errorf("at offset %d: %w", r.offset, err)
			}
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func (l *memLog) End(context.Context) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.records) == 0 {
		return 0, l.endErr
	}
	return l.records[len(l.records)-1].offset + 1, l.endErr
}

func (l *memLog) fail(appendErr, endErr error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.appendErr, l.endErr = appendErr, endErr
}

func (l *memLog) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.records)
}

// replay folds the log from its beginning.
func (l *memLog) replay(t *testing.T) *state {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	st := emptyState()
	for _, r := range l.records {
		if err := st.fold(r.offset, r.key, r.value); err != nil {
			t.Fatal(err)
		}
	}
	return st
}

// gatedLog is a memLog whose followers can be held up until somebody asks where the log ends.
type gatedLog struct {
	*memLog
	gate atomic.Pointer[chan struct{}]
}

func (g *gatedLog) shut() {
	gate := make(chan struct{})
	g.gate.Store(&gate)
}

func (g *gatedLog) End(ctx context.Context) (int64, error) {
	if gate := g.gate.Swap(nil); gate != nil {
		defer close(*gate)
	}
	return g.memLog.End(ctx)
}

func (g *gatedLog) Follow(ctx context.Context, from int64, fn func(int64, []byte, []byte) error) error {
	return g.memLog.Follow(ctx, from, func(offset int64, key, value []byte) error {
		if gate := g.gate.Load(); gate != nil {
			select {
			case <-*gate:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return fn(offset, key, value)
	})
}

// instance is a running Server behind HTTP.
type instance struct {
	*Server
	url    string
	stop   context.CancelFunc
	result chan error // what Run returned
}

func start(t *testing.T, log Log, cfg Config) *instance {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := New(log, cfg)
	in := &instance{Server: s, stop: cancel, result: make(chan error, 1)}
	web := httptest.NewServer(s.Handler())
	in.url = web.URL
	done := make(chan struct{})
	go func() {
		defer close(done)
		in.result <- s.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		web.Close()
	})
	return in
}

// do sends a request and returns status and body of its answer.
func (s *instance) do(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	status, text, _ := s.exchange(t, method, path, body)
	return status, text
}

func (s *instance) exchange(t *testing.T, method, path, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSuffix(string(text), "\n"), answer.Header
}
