package node_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/fake"
)

// patience of the journal where a test waits for its end: an answer takes two of them at most. Who does not
// know of it waits the usual one, of which two are longer than tooLong.
const (
	patience = time.Second
	tooLong  = 9 * time.Second
)

// onFake opens a node whose broker takes faults, with an account.
func onFake(t *testing.T, patience time.Duration, queue int) (*edge, *kfake.Cluster) {
	t.Helper()
	b := fake.New(t, 3)
	e := edgeOf(t, open(t, node.Config{
		Kafka: b.Seeds[0], Roles: []node.Role{node.Registry, node.Transactions}, Patience: patience, MaxQueue: queue,
	}))
	eventually(t, func(context.Context) error { return e.node.Ready(t.Context()) })
	eventually(t, func(ctx context.Context) error {
		_, err := e.bank.OpenAccount(ctx, &bankv1.OpenAccountRequest{
			IdempotencyKey: "open", AccountId: "alice.main", Kind: bankv1.AccountKind_ACCOUNT_KIND_CURRENT, Currency: "EUR",
		})
		return err
	})
	return e, b.Faults()
}

// asked is an answer to an entry, and how long it took.
type asked struct {
	refusal
	took  time.Duration
	retry time.Duration
}

func (e *edge) askGRPC(key string) asked {
	at := time.Now()
	_, err := e.bank.PostEntry(e.t.Context(), deposit(key))
	out := asked{refusal: over(err), took: time.Since(at)}
	for _, d := range status.Convert(err).Details() {
		if r, ok := d.(*errdetails.RetryInfo); ok {
			out.retry = r.GetRetryDelay().AsDuration()
		}
	}
	return out
}

func (e *edge) askREST(key string) asked {
	at := time.Now()
	body, _ := protojson.Marshal(deposit(key))
	out := asked{refusal: e.post("/v1/entries", string(body)), took: time.Since(at)}
	out.retry, _ = time.ParseDuration(out.header.Get("Retry-After") + "s")
	return out
}

func (e *edge) askBatch(key string) string {
	results := e.submit(&bankv1.Command{Tag: 1, Command: &bankv1.Command_PostEntry{PostEntry: deposit(key)}})
	return results[1].GetUnavailableReason()
}

// unavailable checks that a call was put off for one of some reasons, in time.
func (e *edge) unavailable(way, reasons string, got asked) {
	e.t.Helper()
	put := got.code == codes.Unavailable || got.status == http.StatusServiceUnavailable
	if !put || !slices.Contains(strings.Fields(reasons), got.reason) || got.retry <= 0 || got.took > tooLong {
		e.t.Errorf("%s: got %+v, want unavailable for %s with a time to retry, after at most two waits", way, got, reasons)
	}
}

func TestKW7BrokerIsDown(t *testing.T) {
	e, kafka := onFake(t, patience, 0)
	var down atomic.Bool
	kafka.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
		kafka.KeepControl()
		if down.Load() {
			return nil, errors.New("the broker is down"), true
		}
		return nil, nil, false
	})
	down.Store(true)
	// Once the group has missed the process too, nothing is taken any more: then nothing happened.
	e.unavailable("gRPC", "OUTCOME_UNKNOWN NOT_OWNER", e.askGRPC("k1"))
	e.unavailable("REST", "OUTCOME_UNKNOWN NOT_OWNER", e.askREST("k2"))
	if got := e.askBatch("k3"); got != "OUTCOME_UNKNOWN" && got != "NOT_OWNER" {
		t.Errorf("batch: got %q", got)
	}
	down.Store(false)
	for _, key := range []string{"k1", "k2", "k3"} {
		eventually(t, func(ctx context.Context) error {
			_, err := e.bank.PostEntry(ctx, deposit(key))
			return err
		})
	}
}

func TestKW7CallerIsInAHurry(t *testing.T) {
	e, kafka := onFake(t, tooLong, 0) // the bank itself is in no hurry
	held := hold(t, kafka)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	at := time.Now()
	_, err := e.bank.PostEntry(ctx, deposit("k"))
	if code := status.Code(err); code != codes.DeadlineExceeded && code != codes.Unavailable || time.Since(at) > tooLong/2 {
		t.Errorf("got %v after %s, want it at the deadline", err, time.Since(at))
	}
	close(held)
}

// hold lets no record be written until the channel is closed.
func hold(t *testing.T, kafka *kfake.Cluster) chan struct{} {
	held := make(chan struct{})
	kafka.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		kafka.SleepControl(func() {
			select {
			case <-held:
			case <-t.Context().Done():
			}
		})
		return nil, nil, false
	})
	return held
}

func TestKW7QueueIsFull(t *testing.T) {
	e, kafka := onFake(t, patience, 2)
	held := hold(t, kafka)
	answers := make(chan asked, 40)
	for i := range cap(answers) {
		go func() {
			if i%2 == 0 {
				answers <- e.askGRPC("k" + string(rune('a'+i)))
				return
			}
			answers <- e.askREST("k" + string(rune('a'+i)))
		}()
	}
	busy := 0
	for range cap(answers) {
		got := <-answers
		if got.reason == "BUSY" {
			busy++
			e.unavailable("a full queue", "BUSY", got)
		}
	}
	if busy == 0 {
		t.Error("no call was told that the queue is full")
	}
	close(held)
}

// The embedded broker refuses records in this way when its disk is nearly full: streams/broker has the test.
func TestKW24DiskIsNearlyFull(t *testing.T) {
	e, kafka := onFake(t, patience, 0)
	full := kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.PolicyViolation, Count: -1})
	before := e.written()
	e.unavailable("gRPC", "DISK_NEARLY_FULL", e.askGRPC("k1"))
	e.unavailable("REST", "DISK_NEARLY_FULL", e.askREST("k2"))
	if got := e.askBatch("k3"); got != "DISK_NEARLY_FULL" {
		t.Errorf("batch: got %q", got)
	}
	if after := e.written(); after != before {
		t.Errorf("%d offsets of the journal were written, want none", after-before)
	}
	full.Remove()
	for _, key := range []string{"k1", "k2", "k3"} {
		eventually(t, func(ctx context.Context) error {
			_, err := e.bank.PostEntry(ctx, deposit(key))
			return err
		})
	}
}
