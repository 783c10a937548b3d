package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

const registerInt = `{"schema":"\"int\""}`

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func TestReadyWaitsForTheEnd(t *testing.T) {
	log := &memLog{gap: 2}
	log.add(t, globalMode, `{"mode":"READONLY","expect":0}`)
	hold := make(chan struct{})
	log.hold = hold
	in := start(t, log, Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := in.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ready before the log was read: got %v, want %v", err, context.DeadlineExceeded)
	}
	log.mu.Lock()
	log.hold = nil
	log.mu.Unlock()
	close(hold)
	if err := in.Ready(t.Context()); err != nil {
		t.Errorf("ready: got %v, want no error", err)
	}
	if _, got := in.do(t, "GET", "/mode", ""); got != `{"mode":"READONLY"}` {
		t.Errorf("mode: got %s, want what the log says", got)
	}
}

func TestReadyBeforeRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := New(&memLog{}, Config{}).Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("ready: got %v, want %v", err, context.Canceled)
	}
}

func TestRunStopsAtABadRecord(t *testing.T) {
	log := &memLog{}
	log.add(t, globalMode, `{"mode":"READONLY","expect":0}`)
	log.add(t, globalMode, `what?`)
	in := start(t, log, Config{Logger: quiet()})
	err := <-in.result
	if err == nil || !strings.Contains(err.Error(), "offset 1") {
		t.Errorf("run: got %v, want an error that names offset 1", err)
	}
	if got := in.Ready(t.Context()); !errors.Is(got, err) {
		t.Errorf("ready: got %v, want %v", got, err)
	}
	status, answer := in.do(t, "GET", "/mode", "")
	if status != 500 || !strings.Contains(answer, "50001") || strings.Contains(answer, "what?") {
		t.Errorf("request: got %d %s, want 50001 without what the log says", status, answer)
	}
	// Another Run does not step over the record.
	if again := in.Run(t.Context()); again == nil || !strings.Contains(again.Error(), "offset 1") {
		t.Errorf("run again: got %v, want an error that names offset 1", again)
	}
}

func TestRunAgain(t *testing.T) {
	log := &memLog{}
	in := start(t, log, Config{})
	in.do(t, "POST", "/subjects/s/versions", registerInt)
	in.stop()
	if err := <-in.result; err != nil {
		t.Errorf("run after the context ended: got %v, want no error", err)
	}
	if status, answer := in.do(t, "GET", "/subjects", ""); status != 500 || !strings.Contains(answer, "50001") {
		t.Errorf("request while stopped: got %d %s, want 50001", status, answer)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	deadline := time.Now().Add(10 * time.Second)
	for in.Ready(t.Context()) != nil && time.Now().Before(deadline) {
		<-time.After(time.Millisecond)
	}
	if _, got := in.do(t, "GET", "/subjects", ""); got != `["s"]` {
		t.Errorf("subjects: got %s, want [\"s\"]", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("second run: got %v, want no error", err)
	}
}

func TestLogFails(t *testing.T) {
	log := &memLog{}
	in := start(t, log, Config{Logger: quiet()})
	if err := in.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the disk of node 7 is full")
	for _, c := range []struct {
		name               string
		appendErr, endErr  error
		method, path, body string
	}{
		{"append", broken, nil, "POST", "/subjects/s/versions", registerInt},
		{"end, writing", nil, broken, "POST", "/subjects/s/versions", registerInt},
		{"end, reading what is not there", nil, broken, "GET", "/schemas/ids/1", ""},
	} {
		log.fail(c.appendErr, c.endErr)
		status, answer := in.do(t, c.method, c.path, c.body)
		if status != 500 || !strings.Contains(answer, `"error_code":50001`) || strings.Contains(answer, "node 7") {
			t.Errorf("%s: got %d %s, want 50001 without the cause", c.name, status, answer)
		}
	}
	log.fail(nil, nil)
	if status, answer := in.do(t, "POST", "/subjects/s/versions", registerInt); status != 200 {
		t.Errorf("after the log came back: got %d %s, want 200", status, answer)
	}
}

// TestTimeout registers a schema while the log delivers nothing.
func TestTimeout(t *testing.T) {
	log := &memLog{}
	in := start(t, log, Config{Timeout: 50 * time.Millisecond})
	if err := in.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	log.mu.Lock()
	log.hold = hold
	log.wake()
	log.mu.Unlock()
	status, answer := in.do(t, "POST", "/subjects/s/versions", registerInt)
	if status != 500 || !strings.Contains(answer, `"error_code":50002`) {
		t.Errorf("register: got %d %s, want 50002", status, answer)
	}
	log.mu.Lock()
	log.hold = nil
	log.mu.Unlock()
	close(hold)
}

// TestReadsToTheEnd asks an instance for what another has registered, while the log has not yet told it.
func TestReadsToTheEnd(t *testing.T) {
	log := &memLog{}
	late := &gatedLog{memLog: log}
	a, b := start(t, log, Config{}), start(t, late, Config{})
	if err := b.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, path := range []string{"/schemas/ids/1", "/subjects/s2/versions/1", "/subjects/s3/versions", "/config/s4"} {
		late.shut()
		subject := fmt.Sprintf("s%d", i+1)
		a.do(t, "POST", "/subjects/"+subject+"/versions", registerInt)
		a.do(t, "PUT", "/config/"+subject, `{"compatibility":"FULL"}`)
		if status, answer := b.do(t, "GET", path, ""); status != 200 {
			t.Errorf("%s: got %d %s, want 200", path, status, answer)
		}
	}
}

// TestWritesAtTheEnd sets through one instance what another has changed meanwhile, while the log has not yet told it.
func TestWritesAtTheEnd(t *testing.T) {
	log := &memLog{}
	late := &gatedLog{memLog: log}
	a, b := start(t, log, Config{}), start(t, late, Config{})
	b.do(t, "PUT", "/config", `{"compatibility":"FULL"}`)
	late.shut()
	a.do(t, "PUT", "/config", `{"compatibility":"NONE"}`)
	b.do(t, "PUT", "/config", `{"compatibility":"FULL"}`)
	if got := log.replay(t).levels[""]; got != Full {
		t.Errorf("level: got %s, want what was set last, FULL", got)
	}
}

func TestNewRefusesAnUnknownLevel(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New with an unknown level: got no panic, want one")
		}
	}()
	New(&memLog{}, Config{Default: "SOMETIMES"})
}

func TestDefaultLevel(t *testing.T) {
	in := start(t, &memLog{}, Config{Default: Backward})
	if _, got := in.do(t, "GET", "/config", ""); got != `{"compatibilityLevel":"BACKWARD"}` {
		t.Errorf("config: got %s, want BACKWARD", got)
	}
}

func TestHeaders(t *testing.T) {
	const v1, any1, plainJSON = "application/vnd.schemaregistry.v1+json", "application/vnd.schemaregistry+json", "application/json"
	in := start(t, &memLog{}, Config{})
	for _, c := range []struct {
		name         string
		header       []string
		status       int
		contentType  string
		method, path string
	}{
		{"nothing", nil, 200, v1, "GET", "/subjects"},
		{"anything", []string{"Accept", "*/*"}, 200, v1, "GET", "/subjects"},
		{"the version", []string{"Accept", v1 + "; q=0.9, application/json; q=0.5"}, 200, v1, "GET", "/subjects"},
		{"any version", []string{"Accept", any1}, 200, any1, "GET", "/subjects"},
		{"JSON", []string{"Accept", "text/html, application/json"}, 200, plainJSON, "GET", "/subjects"},
		{"HTML", []string{"Accept", "text/html"}, 406, v1, "GET", "/subjects"},
		{"an error", []string{"Accept", plainJSON}, 404, plainJSON, "GET", "/schemas/ids/1"},
		{"a body as it should be", []string{"Content-Type", v1}, 200, v1, "POST", "/compatibility/subjects/s/versions"},
		{"a body as bytes", []string{"Content-Type", "application/octet-stream"}, 200, v1, "POST", "/compatibility/subjects/s/versions"},
		{"a body with a charset", []string{"Content-Type", "application/json; charset=utf-8"}, 200, v1, "POST", "/compatibility/subjects/s/versions"},
		{"a form", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, v1, "POST", "/compatibility/subjects/s/versions"},
		{"nonsense", []string{"Content-Type", ";;"}, 415, v1, "POST", "/compatibility/subjects/s/versions"},
	} {
		status, answer, header := in.exchange(t, c.method, c.path, registerInt, c.header...)
		if status != c.status || header.Get("Content-Type") != c.contentType {
			t.Errorf("%s: got %d %s %s, want %d %s", c.name, status, header.Get("Content-Type"), answer, c.status, c.contentType)
		}
	}
	if _, _, header := in.exchange(t, "PATCH", "/config", ""); header.Get("Allow") != "DELETE, GET, PUT" {
		t.Errorf("Allow: got %q, want DELETE, GET, PUT", header.Get("Allow"))
	}
	if status, answer, _ := in.exchange(t, http.MethodHead, "/subjects", ""); status != 200 || answer != "" {
		t.Errorf("HEAD: got %d %q, want 200 and nothing", status, answer)
	}
}

func TestLimits(t *testing.T) {
	log := &memLog{}
	in := start(t, log, Config{})
	long := strings.Repeat("x", maxBody)
	status, answer := in.do(t, "POST", "/subjects/s/versions", `{"schema":"`+long+`"}`)
	if status != 413 || !strings.Contains(answer, `"error_code":413`) {
		t.Errorf("a body that is too large: got %d %.100s, want 413", status, answer)
	}
	// What fits into a request can still be too large for a record, where its quotes are written \" once more.
	doc := strings.Repeat("'", maxRecord) + " "
	status, answer = in.do(t, "POST", "/subjects/s/versions", quoted(t, "{\"schema\":`"+`{"type":"record","name":"R","fields":[],"doc":"`+doc+"\"}`}"))
	if status != 422 || !strings.Contains(answer, `"error_code":42209`) {
		t.Errorf("a record that is too large: got %d %.100s, want 42209", status, answer)
	}
	status, answer = in.do(t, "GET", "/subjects/"+strings.Repeat("s", 1025)+"/versions", "")
	if status != 422 || !strings.Contains(answer, `"error_code":42208`) {
		t.Errorf("a subject that is too long: got %d %.100s, want 42208", status, answer)
	}
	if got := log.count(); got != 0 {
		t.Errorf("records: got %d, want none", got)
	}
}
