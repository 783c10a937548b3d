package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// readyEvents is how many events the data folder holds when its start is timed.
const readyEvents = 500_000

// server measures the program as people run it: a process of its own, commands from another.
func (b *bench) server(ctx context.Context) (err error) {
	if !b.wants(partImport, partLatency, partStart) {
		return nil
	}
	s, err := b.child(ctx, "data")
	if err != nil {
		return err
	}
	if _, err := s.up(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.kill()) }()
	for _, part := range []func(context.Context, *child) error{b.imports, b.latencies, b.starts} {
		if err := part(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// child returns the program with a data folder of its own, not running.
func (b *bench) child(ctx context.Context, data string) (*child, error) {
	program := filepath.Join(b.dir, "refold")
	if _, err := os.Stat(program); err != nil {
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./ops/refold").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build refold: %w: %s", err, out)
		}
	}
	return &child{program: program, data: filepath.Join(b.dir, data)}, nil
}

// imports measures the import of as many rows as the card data has, then fills the folder up.
func (b *bench) imports(ctx context.Context, s *child) error {
	elapsed, err := s.importRows(ctx, b.dir, 0, b.rows)
	if err != nil {
		return err
	}
	b.add(figure{Name: "import through the API", Value: elapsed.Seconds(), Unit: "s for " + strconv.Itoa(b.rows) + " rows", Goal: "at most 15 s for 127,098 rows"})
	rate := float64(b.rows) / elapsed.Seconds()
	b.add(figure{Name: "import rate", Value: rate, Unit: "rows/s", Ratio: rate / b.value("generate and commit"), Of: "generate and commit"})
	if elapsed, err = s.importRows(ctx, b.dir, 0, b.rows); err != nil {
		return err
	}
	b.add(figure{Name: "import again", Value: elapsed.Seconds(), Unit: "s, every row answered as before"})
	if b.rows < readyEvents {
		if _, err := s.importRows(ctx, b.dir, b.rows, readyEvents-b.rows); err != nil {
			return err
		}
	}
	memory, err := s.memory("VmHWM")
	if err != nil {
		return err
	}
	b.add(figure{Name: "memory after imports, highest", Value: memory, Unit: "MB", Goal: "at most 600 MB"})
	return nil
}

// starts measures how long it takes until the program serves again, after a stop and after a kill.
func (b *bench) starts(ctx context.Context, s *child) error {
	if !b.wants(partStart) {
		return nil
	}
	for _, end := range []struct {
		name string
		stop func() error
	}{{"start after a stop", s.stop}, {"start after kill -9", s.kill}} {
		if err := end.stop(); err != nil {
			return err
		}
		ready, err := s.up(ctx)
		if err != nil {
			return err
		}
		b.add(figure{Name: end.name + ", 500,000 events", Value: ready.Seconds(), Unit: "s until it serves", Goal: "at most 2 s"})
	}
	memory, err := s.memory("VmRSS")
	if err != nil {
		return err
	}
	b.add(figure{Name: "memory after start", Value: memory, Unit: "MB", Goal: "at most 600 MB"})
	return nil
}

// child is the program under test.
type child struct {
	program, data string
	cmd           *exec.Cmd

	http, grpc, kafka, registry string // where it listens
}

// up starts the program with the embedded broker and returns how long it took until it said that it serves.
func (c *child) up(ctx context.Context, args ...string) (time.Duration, error) {
	return c.start(ctx, append([]string{"up", "--kafka", "127.0.0.1:0"}, args...)...)
}

func (c *child) start(ctx context.Context, args ...string) (time.Duration, error) {
	began := time.Now()
	c.cmd = exec.CommandContext(ctx, c.program, append(args, "--data", c.data,
		"--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--registry", "127.0.0.1:0", "--operators", "")...)
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return 0, fmt.Errorf("start refold: %w", err)
	}
	if err := c.cmd.Start(); err != nil {
		return 0, fmt.Errorf("start refold: %w", err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "Data") { // the last line that says where it listens
			elapsed := time.Since(began)
			go func() {
				for lines.Scan() { // drained, so that the program is never held up
				}
			}()
			return elapsed, c.readAddresses()
		}
	}
	return 0, errors.New("start refold: it ended before it served")
}

func (c *child) readAddresses() error {
	raw, err := os.ReadFile(filepath.Join(c.data, "addresses.json"))
	if err != nil {
		return fmt.Errorf("find refold: %w", err)
	}
	var a struct{ HTTP, GRPC, Kafka, Registry string }
	if err := json.Unmarshal(raw, &a); err != nil {
		return fmt.Errorf("find refold: %w", err)
	}
	c.http, c.grpc, c.kafka, c.registry = a.HTTP, a.GRPC, a.Kafka, a.Registry
	return nil
}

func (c *child) stop() error { return c.end(syscall.SIGTERM) }

func (c *child) kill() error { return c.end(syscall.SIGKILL) }

func (c *child) end(s syscall.Signal) error {
	if c.cmd.ProcessState != nil {
		return nil
	}
	if err := c.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("end refold: %w", err)
	}
	err := c.cmd.Wait()
	if s == syscall.SIGKILL {
		return nil
	}
	return err
}

// memory returns a figure of the process in MB: VmRSS is what it takes, VmHWM the most it ever took.
func (c *child) memory(name string) (float64, error) { return memoryOf(c.cmd.Process.Pid, name) }

func memoryOf(pid int, name string) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the memory of refold: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name+":" {
			kb, err := strconv.ParseFloat(fields[1], 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("read the memory of refold: there is no %s", name)
}

// ticks is how many parts of a second /proc counts processor time in.
const ticks = 100

// processor returns the processor time that the process has taken. It says more than a rate where other work
// is done on the same machine.
func (c *child) processor() (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read the processor time of refold: %w", err)
	}
	_, after, _ := strings.Cut(string(raw), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("read the processor time of refold: %q", raw)
	}
	user, err := strconv.Atoi(fields[11])
	system, problem := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks, errors.Join(err, problem)
}

// importRows makes a file of rows and imports it with the command that people use.
func (c *child) importRows(ctx context.Context, dir string, from, n int) (time.Duration, error) {
	file := filepath.Join(dir, "cards.csv.gz")
	if err := writeRows(file, from, n); err != nil {
		return 0, err
	}
	start := time.Now()
	cmd := exec.CommandContext(ctx, c.program, "import", "--data", c.data, "--format", "birmingham", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("import: %w: %s", err, out)
	}
	return time.Since(start), nil
}

// cards is how many cards the rows are of, as in the real data.
const cards = 1350

func writeRows(file string, from, n int) error {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	fmt.Fprintln(z, "txn_id,trans_date,card_last4,merchant,amount_minor,currency,category")
	for i := from; i < from+n; i++ {
		amount := i%30_000 + 1
		if i%43 == 0 {
			amount = -amount // a refund
		}
		day := firstDay.AddDate(0, 0, i*700/(from+n))
		fmt.Fprintf(z, "GEN%09d,%s,%04d,merchant number %d,%d,GBP,%s\n", i, day.Format(time.DateOnly), (i*7919)%cards, i%merchants, amount, word(i))
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.WriteFile(file, buf.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
