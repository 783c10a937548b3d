package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"bytes"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/ops/battery/history"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/topic"
)

// workload is what clients ask of a bank. It ends with its context, and by then every key that was ever sent
// has an answer, or could get none.
type workload struct {
	*bank
	path   string
	writer *history.Writer
	closed []string // accounts between which alone money is moved
	crew   int      // how many clients there are

	mu     sync.Mutex
	hint   map[int32]int       // guarded by mu; which owner answered last, by partition
	failed error               // guarded by mu; why the history is not whole
	served map[int32]time.Time // guarded by mu; the last acknowledgement of every partition
}

func (k *bank) newWorkload() (*workload, error) {
	path := filepath.Join(k.dir, "history.jsonl")
	h, err := history.Create(path)
	return &workload{bank: k, path: path, writer: h, hint: make(map[int32]int), served: make(map[int32]time.Time), crew: 18}, err
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

// request is what a client asks; keyed is what all requests have.
type request interface {
	proto.Message
	GetIdempotencyKey() string
	GetAccountId() string
}

// answer is what every command is answered with.
type answer interface {
	proto.Message
	GetRecord() *bankv1.Record
	GetReplayed() bool
}

// insist asks until it is known what became of the command, or ctx ends.
func (c *client) insist(ctx context.Context, call string, r request, a answer) *history.Op {
	for {
		op := c.ask(ctx, call, r, a)
		if op.Outcome != history.Unknown && op.Reason != "NOT_OWNER" && op.Reason != "BUSY" || ctx.Err() != nil {
			return op
		}
		wait(ctx, time.Duration(1+c.rng.IntN(40))*time.Millisecond)
	}
}

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
func (c *client) ask(ctx context.Context, call string, r request, a answer) *history.Op {
	customer := customerOf(r.GetAccountId())
	partition := topic.Of(customer, int32(c.partitions))
	at := c.owner(partition)
	op := &history.Op{
		Client: c.id, Call: call, Server: c.owners[at].name, Customer: customer, Key: r.GetIdempotencyKey(), Request: text(r), Begun: time.Now(),
	}
	// A client may lose patience: the command is decided all the same, or not.
	ctx, cancel := context.WithTimeout(ctx, time.Duration(200+c.rng.IntN(6000))*time.Millisecond)
	defer cancel()
	proto.Reset(a)
	err := c.owners[at].conn.Invoke(ctx, "/bank.v1.TransactionsService/"+call, r, a)
	op.Ended = time.Now()
	describe(op, a, err)
	c.learn(partition, at, op)
	return op
}

func customerOf(account string) string {
	customer, _, _ := bytes.Cut([]byte(account), []byte("."))
	return string(customer)
}

// text is a message as JSON that is always the same: protojson varies its white space on purpose.
func text(m proto.Message) json.RawMessage {
	b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	var out bytes.Buffer
	if err != nil || json.Compact(&out, b) != nil {
		panic(fmt.Sprintf("print %T: %v", m, err)) // every message can be printed
	}
	return out.Bytes()
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

func (c *client) learn(partition int32, at int, op *history.Op) {
	err := c.writer.Write(op)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed = err
	}
	switch {
	case op.Acknowledged():
		c.hint[partition], c.served[partition] = at, op.Ended
	case c.hint[partition] == at:
		delete(c.hint, partition)
	}
}

// describe says how a call ended.
func describe(op *history.Op, a answer, err error) {
	if err == nil {
		op.Outcome, op.Replayed = history.OK, a.GetReplayed()
		op.Partition, op.Offset = a.GetRecord().GetPartition(), a.GetRecord().GetOffset()
		replayed := a.ProtoReflect().Descriptor().Fields().ByName("replayed")
		a.ProtoReflect().Clear(replayed)
		op.Answer = text(a)
		return
	}
	s := status.Convert(err)
	op.Outcome, op.Reason = history.Unknown, s.Code().String()
	var record *bankv1.Record
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			op.Reason, op.Replayed = d.GetReason(), d.GetMetadata()["replayed"] != ""
		case *bankv1.Record:
			record = d
		}
	}
	switch {
	case record != nil:
		op.Outcome, op.Partition, op.Offset = history.Rejected, record.GetPartition(), record.GetOffset()
		op.Answer = text(&bankv1.Rejection{Reason: op.Reason, Detail: s.Message(), Record: record})
	case op.Reason == "NOT_OWNER" || op.Reason == "BUSY":
		op.Outcome = history.Refused
	case s.Code() == codes.AlreadyExists || s.Code() == codes.FailedPrecondition || s.Code() == codes.InvalidArgument:
		op.Outcome = history.Refused
	default:
		op.Answer, _ = json.Marshal(s.Message())
	}
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

// close ends the history.
func (w *workload) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.writer.Close(); w.failed == nil {
		w.failed = err
	}
	return w.failed
}
