package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/services/gateway"
	"github.com/refold/refold/streams/position"
)

// scores answers with one score, which moves.
type scores struct {
	bankv1.UnimplementedCreditScoreServiceServer

	mu      sync.Mutex
	score   int32         // guarded by mu
	next    int64         // guarded by mu
	problem error         // guarded by mu
	moved   chan struct{} // guarded by mu; closed by the next move
	waited  int64         // guarded by mu; the last position that was asked for
	loose   int           // guarded by mu; calls that asked for none
}

// at is where the fake folds.
var at = position.Partition{Topic: "bank.transactions", Partition: 0}

func token(next int64) string {
	return position.Token{Generation: 1, Positions: position.Vector{at: next}}.Encode()
}

// set folds one more event, after which the score is this, or calls fail.
func (s *scores) set(score int32, problem error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.replace(score, problem)
}

// promote makes another generation live, which stands at the same position.
func (s *scores) promote(score int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replace(score, nil)
}

// replace is called with mu held.
func (s *scores) replace(score int32, problem error) {
	s.score, s.problem = score, problem
	close(s.moved)
	s.moved = make(chan struct{})
}

// wanted returns the last position that was asked for.
func (s *scores) wanted() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waited
}

func (s *scores) now() (*bankv1.GetScoreResponse, chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := &refoldv1.Freshness{Position: token(s.next), LagEvents: s.next, Generation: 1}
	return &bankv1.GetScoreResponse{CustomerId: "c1", Score: s.score, Freshness: fresh}, s.moved, s.problem
}

// GetScore waits for a position as the bank does, with little patience.
func (s *scores) GetScore(ctx context.Context, r *bankv1.GetScoreRequest) (*bankv1.GetScoreResponse, error) {
	wanted, err := position.Wanted(r.GetMinPosition(), at)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.waited = wanted; wanted == 0 {
		s.loose++
	}
	s.mu.Unlock()
	patience := time.After(30 * time.Millisecond)
	for {
		answer, moved, problem := s.now()
		got, _ := position.Wanted(answer.GetFreshness().GetPosition(), at)
		if problem != nil || got >= wanted {
			return answer, problem
		}
		select {
		case <-moved:
		case <-patience:
			return nil, engine.ErrBehind
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// watched is a house whose scores are watched.
type watched struct {
	*house
	*scores
}

func watch(t *testing.T, change func(*gateway.Config)) *watched {
	s := &scores{score: 600, next: 1, moved: make(chan struct{})}
	h := open(t, &bank{also: func(r grpc.ServiceRegistrar) { bankv1.RegisterCreditScoreServiceServer(r, s) }}, change)
	return &watched{house: h, scores: s}
}

// sent is an event as it is sent; of a comment only what it says.
type sent struct{ id, event, data, comment string }

// events asks for a stream and returns its events until it ends, and what ends it from here.
func (w *watched) events(path string, headers ...string) (events chan sent, leave func()) {
	w.t.Helper()
	ctx, leave := context.WithCancel(w.t.Context())
	resp := w.stream(ctx, path, headers...)
	w.t.Cleanup(func() { resp.Body.Close() })
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "text/event-stream" {
		w.t.Fatalf("got %d %s, want a stream", resp.StatusCode, got)
	}
	events = make(chan sent, 1000)
	go func() {
		defer close(events)
		var e sent
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.event = value
			case "data":
				e.data = value
			case "":
				if e.comment = value; e != (sent{}) {
					events <- e
				}
				e = sent{}
			}
		}
	}()
	return events, leave
}

func (w *watched) stream(ctx context.Context, path string, headers ...string) *http.Response {
	w.t.Helper()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.http+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	q.Header.Set("Accept", "text/event-stream")
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp
}

const scorePath = "/v1/customers/c1/score"

// news returns the next event that is no comment.
func (w *watched) news(events chan sent) sent {
	w.t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				w.t.Fatal("the stream ended")
			}
			if e.comment == "" {
				return e
			}
		case <-deadline:
			w.t.Fatal("waited in vain for an event")
		}
	}
}

// tells checks that the next event is a score.
func (w *watched) tells(events chan sent, score int32) sent {
	w.t.Helper()
	e := w.news(events)
	var got struct {
		Score     int32
		Freshness struct{ Position string }
	}
	if err := json.Unmarshal([]byte(e.data), &got); err != nil || got.Score != score || e.event != "" {
		w.t.Fatalf("got %+v (%v), want a score of %d", e, err, score)
	}
	if p, _, _ := strings.Cut(e.id, "."); p == "" || p != got.Freshness.Position {
		w.t.Errorf("got id %q, want one that begins with the position %q", e.id, got.Freshness.Position)
	}
	return e
}

// An event is the answer of the plain read, sent when it is another one: what is folded and changes nothing is not told.
func TestWatchTellsWhatChanges(t *testing.T) {
	w := watch(t, nil)
	events, leave := w.events(scorePath)
	defer leave()
	first := w.tells(events, 600)
	if plain := w.send("GET", scorePath, "").body; first.data != plain {
		t.Errorf("got %s, want what a read is answered: %s", first.data, plain)
	}
	w.set(600, nil)
	until(t, "the event that changes nothing was seen, and the next is waited for", func() bool { return w.wanted() == 3 })
	w.set(610, nil)
	w.tells(events, 610)
	w.promote(605)
	w.tells(events, 605)
	w.set(590, nil)
	w.tells(events, 590)
	if w.scores.mu.Lock(); w.loose != 2 {
		t.Errorf("got %d answers that might be older than the one before, want 2: the first, and the plain read", w.loose)
	}
	w.scores.mu.Unlock()
}

// Who comes back is told what they do not know, and only that.
func TestWatchResumes(t *testing.T) {
	w := watch(t, func(c *gateway.Config) { c.Heartbeat = time.Nanosecond })
	events, leave := w.events(scorePath)
	first := w.tells(events, 600)
	leave()

	events, leave = w.events(scorePath, "Last-Event-ID", first.id)
	if e := <-events; e.comment == "" {
		t.Errorf("got %+v, want nothing new", e)
	}
	leave()

	w.set(640, nil)
	events, leave = w.events(scorePath, "Last-Event-ID", first.id)
	w.tells(events, 640)
	leave()

	// A position says where, but not what is known; one that is not folded yet is waited for.
	events, leave = w.events(scorePath, "Last-Event-ID", token(2))
	w.tells(events, 640)
	leave()
	events, leave = w.events(scorePath, "Last-Event-ID", token(3))
	if e := <-events; e.comment == "" {
		t.Errorf("got %+v, want to wait", e)
	}
	w.set(650, nil)
	w.tells(events, 650)
	leave()
}

// A stream outlives the bounds of a request, and says that it is alive.
func TestWatchOutlivesTheBoundsOfARequest(t *testing.T) {
	w := watch(t, func(c *gateway.Config) { c.Heartbeat, c.ReadTimeout = time.Nanosecond, 100*time.Millisecond })
	events, leave := w.events(scorePath)
	defer leave()
	w.tells(events, 600)
	for begun := time.Now(); time.Since(begun) < time.Second; {
		if e, ok := <-events; !ok || e.comment != "nothing new" {
			t.Fatalf("got %+v, %t, want to be told that there is nothing new", e, ok)
		}
	}
	w.set(601, nil)
	w.tells(events, 601)
}

func TestWatchesAreBounded(t *testing.T) {
	w := watch(t, func(c *gateway.Config) { c.MaxWatches = 1 })
	events, leave := w.events(scorePath)
	w.tells(events, 600)
	ask := func() answer { return w.send("GET", scorePath, "", "Accept", "text/event-stream") }
	got := ask()
	if reason, _ := got.reason(t); got.status != http.StatusTooManyRequests || reason != "TOO_MANY_STREAMS" || got.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	leave()
	until(t, "the place is free", func() bool {
		resp := w.stream(t.Context(), "/v1/customers/-/score") // refused by itself, once there is a place
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusBadRequest
	})
}

// The server does not wait for streams to end, nor cuts them.
func TestStopEndsWatches(t *testing.T) {
	s := &scores{score: 600, next: 1, moved: make(chan struct{})}
	v, err := gateway.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	server := gateway.NewServer(gateway.Config{Authenticator: gateway.LocalOperator{}, Validator: v, Grace: time.Hour})
	server.Register(func(r grpc.ServiceRegistrar) { bankv1.RegisterCreditScoreServiceServer(r, s) })
	g, l := listen(t), listen(t)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, g, l) }()
	w := &watched{house: &house{t: t, http: l.Addr().String()}, scores: s}
	resp := w.stream(t.Context(), scorePath)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for told := false; lines.Scan(); {
		if !told && strings.HasPrefix(lines.Text(), "data: ") {
			told = true
			stop()
		}
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the server: %v", err)
	}
}

func TestWhatCannotBeWatched(t *testing.T) {
	w := watch(t, nil)
	ask := func(name, path, id string, status int, reason string, fields ...string) {
		t.Helper()
		got := w.send("GET", path, "", "Accept", "text/event-stream", "Last-Event-ID", id)
		said, wrong := got.reason(t)
		if got.status != status || said != reason || len(wrong) != len(fields) {
			t.Errorf("%s: got %d %s, want %d %s of %v", name, got.status, got.body, status, reason, fields)
		}
		for _, f := range fields {
			if wrong[f] == "" {
				t.Errorf("%s: got %v, want %s among them", name, wrong, f)
			}
		}
	}
	ask("the past", scorePath+"?as_of_time=2014-01-01T00:00:00Z&asOfPosition=x", "", 400, "MALFORMED", "as_of_time", "as_of_position")
	ask("a page", "/v1/customers/c1/score/history?page_token=x", "", 400, "MALFORMED", "page_token")
	ask("no id of ours", scorePath, "42", 400, "MALFORMED", "Last-Event-ID")
	ask("no such parameter", scorePath+"?from=x", "", 400, "MALFORMED", "from")
	ask("no freshness", "/v1/customers/c1/entries:byKey?idempotency_key=k", "", 406, "NOT_WATCHABLE")
	w.set(0, status.Error(codes.NotFound, "nobody"))
	ask("nobody", scorePath, "", 404, "NOT_FOUND")
	if got := w.send("POST", "/v1/entries", entryJSON, "Accept", "text/event-stream"); got.status != http.StatusOK || !strings.HasPrefix(got.body, "{") {
		t.Errorf("a write: got %d %s", got.status, got.body)
	}
}

// A browser comes back to a stream that ended, never to one that was refused: what passes is told in the stream.
func TestWatchTellsOfProblems(t *testing.T) {
	w := watch(t, nil)
	ends := func(events chan sent, reason string) {
		t.Helper()
		e := w.news(events)
		if e.event != "problem" || !strings.Contains(e.data, reason) {
			t.Errorf("got %+v, want a problem: %s", e, reason)
		}
		if e, more := <-events; more {
			t.Errorf("got %+v after it, want the end", e)
		}
	}
	events, leave := w.events(scorePath)
	defer leave()
	w.tells(events, 600)
	w.set(0, engine.ErrStuck)
	ends(events, "PROJECTION_STUCK")
	w.set(0, fmt.Errorf("elsewhere: %w", engine.ErrNotHere))
	events, leave = w.events(scorePath)
	defer leave()
	ends(events, "NOT_HERE")
}
