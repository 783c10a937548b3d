package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/refold/refold/ops/node"
)

// asRefold makes the test binary be refold itself, so that tests can kill a real process.
const asRefold = "REFOLD_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asRefold) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is a running refold.
type process struct {
	t      *testing.T
	data   string
	cmd    *exec.Cmd
	stderr bytes.Buffer // read after the process ended
	node.Addresses
}

// up starts `refold up` and returns when it has printed a line with a prefix.
func up(t *testing.T, data, until string, more ...string) *process {
	t.Helper()
	return start(t, data, until, append(append([]string{"up"}, anyPort...), more...)...)
}

// start starts refold, and returns when it has printed a line with a prefix.
func start(t *testing.T, data, until string, args ...string) *process {
	t.Helper()
	p := &process{t: t, data: data}
	p.cmd = exec.Command(os.Args[0], append(args, "--data", data)...)
	p.cmd.Env = append(os.Environ(), asRefold+"=1")
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		t.Log(lines.Text())
		if strings.HasPrefix(strings.TrimSpace(lines.Text()), until) {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			if p.Addresses, err = node.ReadAddresses(data); err != nil {
				t.Fatal(err)
			}
			return p
		}
	}
	_ = p.cmd.Wait()
	t.Fatalf("refold ended before it printed %q: %s", until, &p.stderr)
	return nil
}

// kill ends the process as kill -9 does; that it did not end well is what is wanted.
func (p *process) kill() { _ = p.end(syscall.SIGKILL) }

// stop asks the process to end and expects that it does so well.
func (p *process) stop() {
	p.t.Helper()
	if err := p.end(syscall.SIGTERM); err != nil {
		p.t.Errorf("stop: %v: %s", err, &p.stderr)
	}
}

func (p *process) end(s syscall.Signal) error {
	if p.cmd.ProcessState != nil {
		return nil
	}
	_ = p.cmd.Process.Signal(s)
	return p.cmd.Wait()
}

// refold runs a command on a data folder in this process and returns its exit code and what it printed.
func refold(t *testing.T, data string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return refoldWith(t, "", data, args...)
}

func refoldWith(t *testing.T, stdin, data string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	code = run(ctx, append(args, "--data", data), strings.NewReader(stdin), &out, &err)
	return code, out.String(), err.String()
}

// well runs a command that must succeed.
func well(t *testing.T, data string, args ...string) string {
	t.Helper()
	code, stdout, stderr := refold(t, data, args...)
	if code != 0 {
		t.Fatalf("refold %v: exit code %d: %s", args, code, stderr)
	}
	return stdout
}

// get asks the REST API.
func (p *process) get(path string) (status int, body string) {
	p.t.Helper()
	resp, err := http.Get("http://" + p.HTTP + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// post sends JSON to the REST API.
func (p *process) post(path, key, body string) (status int, answer string) {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+p.HTTP+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
