package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/transactions/history"
	"github.com/refold/refold/streams/topic"
)

// workload is what clients ask of a bank. It ends with its context, and by then every key that was ever sent
// has an answer, or could get none.
type workload struct {
	*bank
	file     *os.File
	buffer   *bufio.Writer // before file
	recorder *history.Recorder
	closed   []string // accounts between which alone money is moved
	crew     int      // how many clients there are

	mu     sync.Mutex
	hint   map[int32]int        // guarded by mu; which owner answered last, by partition
	served map[int32]time.Time  // guarded by mu; the last acknowledgement of every partition
	putOff map[putOff]time.Time // guarded by mu; when that was last
}

// putOff is a call that was not acknowledged.
type putOff struct {
	partition int32
	reason    string
}

func (k *bank) newWorkload() (*workload, error) {
	f, err := os.Create(filepath.Join(k.dir, "history.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("create a history: %w", err)
	}
	buffer := bufio.NewWriterSize(f, 1<<16)
	return &workload{
		bank: k, file: f, buffer: buffer, recorder: history.NewRecorder(buffer), crew: 18,
		hint: make(map[int32]int), served: make(map[int32]time.Time), putOff: make(map[putOff]time.Time),
	}, nil
}

// note counts a fault and writes it to the history.
func (w *workload) note(p place) {
	w.injected(p)
	w.recorder.Add(history.Event{Kind: history.Fault, What: p.String()})
}

// close ends the history.
func (w *workload) close() error {
	return errors.Join(w.recorder.Err(), w.buffer.Flush(), w.file.Close())
}

// replay reads the history when it has ended.
func (w *workload) replay(each func(*history.Event)) error {
	f, err := os.Open(w.file.Name())
	if err != nil {
		return fmt.Errorf("read the history of %s: %w", w.name, err)
	}
	defer f.Close()
	return history.Read(f, each)
}

// client is one client of the workload. It does one thing after the other.
type client struct {
	*workload
	id  int
	rng *rand.Rand
	n   int // of its keys
}

func (w *workload) client(id int) *client {
	return &client{workload: w, id: id, rng: rand.New(rand.NewPCG(w.seed, uint64(id)))}
}

// key returns a key that no client has used.
func (c *client) key(what string) string {
	c.n++
	return fmt.Sprintf("%s-%d-%d", what, c.id, c.n)
}

// insist asks until it is known what became of the command, or ctx ends.
func (c *client) insist(ctx context.Context, r history.Request, a history.Answer) history.Event {
	for {
		e := c.ask(ctx, r, a)
		if e.Kind != history.Unknown && !nobodys(e.Reason) || ctx.Err() != nil {
			return e
		}
		wait(ctx, time.Duration(1+c.rng.IntN(40))*time.Millisecond)
	}
}

// nobodys tells whether a reason says that nobody there could decide the command just now.
func nobodys(reason string) bool { return reason == "NOT_OWNER" || reason == "BUSY" }

// wait waits for a while, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// ask asks once, the owner that answered last or any, and writes down what became of it.
func (c *client) ask(ctx context.Context, r history.Request, a history.Answer) history.Event {
	e := history.Ask(r)
	partition := topic.Of(e.Customer, int32(c.partitions))
	at := c.owner(partition)
	e.Client, e.Instance = fmt.Sprint(c.id), c.owners[at].name
	// A client may lose patience: the command is decided all the same, or not.
	ctx, cancel := context.WithTimeout(ctx, time.Duration(200+c.rng.IntN(6000))*time.Millisecond)
	defer cancel()
	proto.Reset(a)
	e = c.recorder.Call(e)
	err := c.owners[at].conn.Invoke(ctx, "/bank.v1.TransactionsService/"+strings.TrimSuffix(e.Command, "Request"), r, a)
	end(&e, a, err)
	c.recorder.Add(e)
	c.learn(partition, at, &e)
	return e
}

// owner returns whom to ask: mostly who answered last.
func (c *client) owner(partition int32) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.hint[partition]; ok && c.rng.IntN(20) > 0 {
		return at
	}
	return c.rng.IntN(len(c.owners))
}

func (c *client) learn(partition int32, at int, e *history.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case e.Acknowledged():
		c.hint[partition], c.served[partition] = at, time.Now()
	case c.hint[partition] == at:
		delete(c.hint, partition)
	}
	if !e.Acknowledged() {
		c.putOff[putOff{partition, e.Reason}] = time.Now()
	}
}

// end says how a call ended.
func end(e *history.Event, a history.Answer, err error) {
	if err == nil {
		e.Accept(a)
		return
	}
	s := status.Convert(err)
	reason := s.Code().String()
	var record *bankv1.Record
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			reason, e.Replayed = d.GetReason(), d.GetMetadata()["replayed"] != ""
		case *bankv1.Record:
			record = d
		}
	}
	switch s.Code() {
	case codes.AlreadyExists, codes.FailedPrecondition, codes.InvalidArgument:
		e.Refuse(reason, s.Message(), record)
	default:
		if record != nil || nobodys(reason) {
			e.Refuse(reason, s.Message(), record)
			return
		}
		e.Doubt(reason, s.Message())
	}
}

// told waits until a partition has put a command off for a reason since a time.
func (w *workload) told(ctx context.Context, since time.Time, what putOff) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for ctx.Err() == nil {
		w.mu.Lock()
		last := w.putOff[what]
		w.mu.Unlock()
		if last.After(since) {
			return true
		}
		wait(ctx, 10*time.Millisecond)
	}
	return false
}

// serving waits until every partition has acknowledged something that was asked lately.
func (w *workload) serving(ctx context.Context) error {
	since := time.Now()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		waiting := w.waiting(since)
		if len(waiting) == 0 {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("partitions %v of bank %s have acknowledged nothing for %s", waiting, w.name, time.Since(since).Round(time.Second))
		}
		wait(ctx, 10*time.Millisecond)
	}
}

// waiting returns the partitions that have acknowledged nothing since a time.
func (w *workload) waiting(since time.Time) (out []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.partitions {
		if !w.served[int32(p)].After(since) {
			out = append(out, p)
		}
	}
	return out
}
