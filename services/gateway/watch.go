package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/streams/position"
)

// A read that says how fresh it is can be watched: asked for with `Accept: text/event-stream` it is answered with
// server-sent events (HTML Living Standard, 9.2), the answer as it is and then each time it has become another one.
// There is no second API for that: each event is the answer of the same call, which waits until one more event of the
// log is folded, so that it is authenticated, checked and read like any other. A stream shows states, not each change:
// what changes twice within watchPace is told once.
//
// The id of an event is the position token of its answer and, behind a dot, a digest of it. A client that comes back
// with it as Last-Event-ID is answered no earlier than that position, and not before there is something else to say.
const (
	eventStream = "text/event-stream"
	// watchPace is the least time between two answers of a stream; it bounds what a busy partition costs.
	watchPace = 250 * time.Millisecond
	// watchWrite is how long a client may take for an event; retryAfter is when one that was cut off comes back.
	watchWrite = 10 * time.Second
	retryAfter = 2 * time.Second

	freshnessField   = "freshness"
	minPositionField = "min_position"
	lastEventID      = "Last-Event-ID"
)

// state is one answer of a read that is watched.
type state struct {
	// message is the answer, nil where the call failed.
	message proto.Message
	http    recorder
	// at is the position token of the answer, next that of an answer with one more event, and digest what tells the
	// answer from others; all are "" where it says not how fresh it is, or is of several partitions.
	at, next, digest string
}

// recorder takes an answer over HTTP.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(code int) { r.status = code }

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

// passes reports whether a call may well succeed when it is made again: then a stream goes on, or is begun again by
// the client. A browser never comes back to a stream that was refused.
func (s *state) passes() bool {
	return s.http.status == http.StatusGatewayTimeout || s.http.status == http.StatusServiceUnavailable
}

// repeat writes the answer as it is.
func (s *state) repeat(w http.ResponseWriter) {
	for name, values := range s.http.header {
		w.Header()[name] = values
	}
	w.WriteHeader(s.http.status)
	_, _ = w.Write(s.http.body.Bytes()) // a client that is gone is not our failure
}

// watches reports whether a request asks for a stream.
func watches(q *http.Request) bool {
	return q.Method == http.MethodGet && strings.Contains(q.Header.Get("Accept"), eventStream)
}

type answerKey struct{}

// keep notes the answer of a call that is watched.
func keep(ctx context.Context, m proto.Message) {
	if s, ok := ctx.Value(answerKey{}).(*state); ok {
		s.message = m
	}
}

// ask makes the call of a request, as one that waits for a position where one is given.
func (r *rest) ask(q *http.Request, from string) (*state, error) {
	ctx, cancel := context.WithTimeout(q.Context(), maxCall)
	defer cancel()
	s := &state{http: recorder{header: make(http.Header), status: http.StatusOK}}
	once := q.Clone(context.WithValue(ctx, answerKey{}, s))
	if from != "" {
		values := q.URL.Query()
		values.Del("minPosition")
		values.Set(minPositionField, from)
		once.URL.RawQuery = values.Encode()
	}
	r.mux.ServeHTTP(&s.http, once)
	if s.message == nil || s.http.status != http.StatusOK {
		s.message = nil
		return s, nil
	}
	return s, s.sum()
}

// sum works out the positions of an answer, and its digest: how fresh it is does not tell it from another, but which
// generation it is from, and whether it stands still.
func (s *state) sum() error {
	m := proto.Clone(s.message).ProtoReflect()
	fd := m.Descriptor().Fields().ByName(freshnessField)
	if fd == nil {
		return nil
	}
	fresh, ok := m.Mutable(fd).Message().Interface().(*refoldv1.Freshness)
	if !ok {
		return fmt.Errorf("%s of %s is no Freshness", freshnessField, m.Descriptor().FullName())
	}
	s.at = fresh.GetPosition()
	token, err := position.Decode(s.at)
	if err != nil {
		return fmt.Errorf("position of %s: %w", m.Descriptor().FullName(), err)
	}
	if len(token.Positions) != 1 {
		s.at = "" // it could not be told what to wait for
		return nil
	}
	for p := range token.Positions {
		token.Positions[p]++
	}
	s.next = token.Encode()
	fresh.Position, fresh.EventTime, fresh.LagEvents, fresh.LagSeconds = "", nil, 0, 0
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.Interface())
	if err != nil {
		return fmt.Errorf("digest of %s: %w", m.Descriptor().FullName(), err)
	}
	hash := sha256.Sum256(raw)
	s.digest = base64.RawURLEncoding.EncodeToString(hash[:9])
	return nil
}

// watch answers with a stream, or with why there is none.
func (r *rest) watch(w http.ResponseWriter, q *http.Request) {
	select {
	case r.watching <- struct{}{}:
		defer func() { <-r.watching }()
	default:
		text := fmt.Sprintf("there are %d streams already", cap(r.watching))
		retry := &errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)}
		write(w, http.StatusTooManyRequests, detailed(codes.ResourceExhausted, text, info(reasonTooManyStreams), retry))
		return
	}
	from, seen, _ := strings.Cut(q.Header.Get(lastEventID), ".")
	if err := watchable(q, from); err != nil {
		write(w, http.StatusBadRequest, status.Convert(r.answer(q.URL.Path, err)))
		return
	}
	ctx, cancel := context.WithCancel(q.Context())
	defer cancel()
	defer context.AfterFunc(r.stopping, cancel)()
	q = q.WithContext(ctx)
	first, err := r.ask(q, from)
	switch {
	case err != nil:
		write(w, http.StatusInternalServerError, status.Convert(r.answer(q.URL.Path, err)))
	case first.message == nil && !first.passes():
		first.repeat(w)
	case first.message != nil && first.at == "":
		text := "this answer cannot be watched: it says not how fresh it is, or is of several partitions"
		write(w, http.StatusNotAcceptable, detailed(codes.InvalidArgument, text, info(reasonNotWatchable)))
	default:
		out := &stream{rest: r, q: q, w: w, control: http.NewResponseController(w), from: from, seen: seen}
		out.run(first)
	}
}

// watchable refuses what a stream cannot be begun from: what was does not change, and what is on a page depends on
// the pages before.
func watchable(q *http.Request, from string) error {
	var wrong []*Violation
	if from != "" {
		if _, err := position.Decode(from); err != nil {
			wrong = append(wrong, &Violation{Field: lastEventID, Description: "is no id of an event of this API"})
		}
	}
	values, err := url.ParseQuery(q.URL.RawQuery)
	if err != nil {
		return nil // the call says so
	}
	for _, names := range [][2]string{{"as_of_time", "asOfTime"}, {"as_of_position", "asOfPosition"}, {"page_token", "pageToken"}} {
		if values.Has(names[0]) || values.Has(names[1]) {
			wrong = append(wrong, &Violation{Field: names[0], Description: "cannot be watched: it is of an answer that does not change"})
		}
	}
	return malformed(wrong)
}

// stream is a stream that is under way.
type stream struct {
	*rest
	q       *http.Request
	w       http.ResponseWriter
	control *http.ResponseController
	// from is the position of the answer that the client has, and seen the digest of it; "" where it has none.
	from, seen string
	quiet      time.Time // since when nothing was written
}

// run writes events until the client is gone, the server stops or the call is refused.
func (s *stream) run(next *state) {
	h := s.w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("X-Accel-Buffering", "no") // proxies would wait for more
	if s.send(fmt.Sprintf("retry: %d\n\n", retryAfter.Milliseconds())) != nil {
		return
	}
	for s.take(next) == nil {
		pause := time.NewTimer(watchPace)
		select {
		case <-s.q.Context().Done():
			pause.Stop()
			return
		case <-pause.C:
		}
		from := next.next
		if next.message == nil {
			from = s.from // nothing came: look whether the same position has another answer now
		}
		var err error
		if next, err = s.ask(s.q, from); err != nil || s.q.Context().Err() != nil {
			return
		}
	}
}

// take tells the client of an answer where that is news. Its error ends the stream.
func (s *stream) take(next *state) error {
	switch {
	case next.message != nil && next.digest != s.seen:
		s.from, s.seen = next.at, next.digest
		return s.send(fmt.Sprintf("id: %s.%s\ndata: %s\n\n", next.at, next.digest, next.http.body.String()))
	case next.message != nil:
		s.from = next.at
	case next.http.status != http.StatusGatewayTimeout:
		_ = s.send(fmt.Sprintf("event: problem\ndata: %s\n\n", next.http.body.String()))
		return io.EOF
	}
	if time.Since(s.quiet) < s.cfg.Heartbeat {
		return nil
	}
	return s.send(": nothing new\n\n")
}

// send writes a piece of the stream.
func (s *stream) send(text string) error {
	_ = s.control.SetWriteDeadline(time.Now().Add(watchWrite))
	if _, err := io.WriteString(s.w, text); err != nil {
		return err
	}
	s.quiet = time.Now()
	return s.control.Flush()
}
