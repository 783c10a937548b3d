package transactions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/journal"
)

type submitClient = grpc.BidiStreamingClient[bankv1.SubmitRequest, bankv1.SubmitResponse]

// submitTo opens a Submit over gRPC.
func (i *instance) submitTo() submitClient {
	i.bank.t.Helper()
	ctx, cancel := context.WithTimeout(i.bank.t.Context(), within)
	i.bank.t.Cleanup(cancel)
	stream, _ := i.submitWith(ctx)
	return stream
}

// submitWith opens a Submit over gRPC, and tells when the server has ended it.
func (i *instance) submitWith(ctx context.Context) (submitClient, <-chan error) {
	t := i.bank.t
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	ended := make(chan error, 1)
	server := grpc.NewServer(grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		err := handle(srv, ss)
		ended <- err
		return err
	}))
	bankv1.RegisterTransactionsServiceServer(server, i.Server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///bank", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	stream, err := bankv1.NewTransactionsServiceClient(conn).Submit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return stream, ended
}

func opening(tag uint64, account string) *bankv1.Command {
	return &bankv1.Command{Tag: tag, Command: &bankv1.Command_OpenAccount{OpenAccount: &bankv1.OpenAccountRequest{
		IdempotencyKey: "open-" + account, AccountId: account, Kind: bankv1.AccountKind_ACCOUNT_KIND_CARD, Currency: "EUR",
	}}}
}

func posting(tag uint64, r *bankv1.PostEntryRequest) *bankv1.Command {
	return &bankv1.Command{Tag: tag, Command: &bankv1.Command_PostEntry{PostEntry: r}}
}

// exchange sends commands in messages of some size, ends the stream and returns the results by tag.
func exchange(t testing.TB, stream submitClient, size int, commands []*bankv1.Command) map[uint64]*bankv1.Result {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		for len(commands) > 0 {
			n := min(size, len(commands))
			if err := stream.Send(&bankv1.SubmitRequest{Commands: commands[:n]}); err != nil {
				sent <- err
				return
			}
			commands = commands[n:]
		}
		sent <- stream.CloseSend()
	}()
	results := make(map[uint64]*bankv1.Result)
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, result := range r.GetResults() {
			if results[result.GetTag()] != nil {
				t.Errorf("command %d has two results", result.GetTag())
			}
			results[result.GetTag()] = result
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	return results
}

// Many customers, each with an account to open before it can be used, more commands than may be in flight,
// and queues that fill up.
func TestSubmitDecidesInOrder(t *testing.T) {
	const customers, each = 100, 100
	i := newBank(t, 3).start(func(c *journal.Config[*Command, Outcome]) { c.MaxQueue, c.MaxBatch = 500, 100 }).serving(3)
	var commands []*bankv1.Command
	for n := range each {
		for c := range customers {
			account := fmt.Sprintf("c%d.main", c)
			if n == 0 {
				commands = append(commands, opening(uint64(len(commands)), account))
				continue
			}
			r := deposit(account, fmt.Sprint("k", n), 1)
			if n%2 == 0 {
				r = withdrawal(account, fmt.Sprint("k", n), 1) // possible only after the deposit before
			}
			commands = append(commands, posting(uint64(len(commands)), r))
		}
	}
	results := exchange(t, i.submitTo(), 1000, commands)
	if len(results) != len(commands) {
		t.Errorf("results: got %d, want %d", len(results), len(commands))
	}
	for tag, r := range results {
		if r.GetOpened() == nil && r.GetPosted() == nil {
			t.Fatalf("command %d (%v): got %v, want success", tag, commands[tag], r)
		}
	}
	again := exchange(t, i.submitTo(), 1000, commands)
	for tag, r := range again {
		if !r.GetOpened().GetReplayed() && !r.GetPosted().GetReplayed() {
			t.Fatalf("command %d again: got %v, want a replay", tag, r)
		}
	}
}

func TestSubmitAnswersMalformedCommands(t *testing.T) {
	i := newBank(t, 1).start().serving(1)
	i.cfg.Validate = func(m proto.Message) error {
		if r, ok := m.(*bankv1.PostEntryRequest); ok && r.GetMcc() == "bad" {
			return errors.New("mcc: must be four digits")
		}
		return nil
	}
	bad := deposit("c1.main", "bad", 1)
	bad.Mcc = "bad"
	results := exchange(t, i.submitTo(), 10, []*bankv1.Command{
		opening(1, "c1.main"), posting(2, bad), {Tag: 3}, posting(4, deposit("c1.main", "zero", 0)),
		posting(5, deposit("c1.main", "good", 1)), posting(6, withdrawal("c1.main", "much", 5)),
	})
	want := map[uint64]string{2: ReasonMalformed, 3: ReasonMalformed, 4: ReasonMalformed, 6: ReasonInsufficientFunds}
	for tag, reason := range want {
		if got := results[tag].GetRejected(); got.GetReason() != reason {
			t.Errorf("command %d: got %v, want %s", tag, results[tag], reason)
		}
	}
	if got := results[2].GetRejected().GetDetail(); got != "mcc: must be four digits" {
		t.Errorf("detail: got %q", got)
	}
	if results[2].GetRejected().GetRecord() != nil || results[6].GetRejected().GetRecord() == nil {
		t.Error("a malformed command must not be recorded, a refused one must be")
	}
	if results[5].GetPosted().GetEntry().GetLegs()[0].GetBalanceAfterMinor() != 1 {
		t.Errorf("command 5: got %v, want a deposit", results[5])
	}
}

// An opening whose outcome is unknown must not be overtaken by the deposit behind it, whose refusal would be
// for ever.
func TestSubmitKeepsOrderWhenABatchIsLost(t *testing.T) {
	b := newBank(t, 1)
	i := b.start(func(c *journal.Config[*Command, Outcome]) { c.MaxBatch = 1 }).serving(1)
	var commands []*bankv1.Command
	for c := range 20 {
		account := fmt.Sprintf("c%d.main", c)
		commands = append(commands, opening(uint64(len(commands)), account))
		for n := range 3 {
			commands = append(commands, posting(uint64(len(commands)), deposit(account, fmt.Sprint("k", n), 1)))
		}
	}
	ends := 0
	b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, TopLevel: true, Err: kerr.ProducerFenced, Count: 6,
		When: func(kmsg.Request) bool { ends++; return ends%5 == 0 }})
	unavailable := 0
	for len(commands) > 0 {
		results := exchange(t, i.submitTo(), 7, commands)
		var left []*bankv1.Command
		lost := make(map[string]bool)
		for _, c := range commands {
			customer, _, _ := strings.Cut(c.GetOpenAccount().GetAccountId()+c.GetPostEntry().GetAccountId(), ".")
			r := results[c.GetTag()]
			switch {
			case r.GetUnavailable() != "":
				unavailable++
				lost[customer] = true
				left = append(left, c)
			case r.GetRejected() != nil:
				t.Fatalf("command %v: got %v, want success or unavailable", c, r)
			case lost[customer]:
				t.Errorf("command %v was decided, though one before it was lost", c)
			}
		}
		commands = left
	}
	if unavailable == 0 {
		t.Error("no command was lost: the test shows nothing")
	}
	records := 0
	b.read(func(*kgo.Record, fact) { records++ })
	if records != 80 {
		t.Errorf("records: got %d, want 80", records)
	}
}

// A caller that goes away ends the stream, whatever is under way.
func TestSubmitEndsWithItsCaller(t *testing.T) {
	i := newBank(t, 1).start().serving(1)
	i.open("c1.main")
	ctx, cancel := context.WithCancel(t.Context())
	stream, ended := i.submitWith(ctx)
	var commands []*bankv1.Command
	for n := range 2000 {
		commands = append(commands, posting(uint64(n), deposit("c1.main", fmt.Sprint("k", n), 1)))
	}
	if err := stream.Send(&bankv1.SubmitRequest{Commands: commands}); err != nil {
		t.Fatal(err)
	}
	if r, err := stream.Recv(); err != nil || len(r.GetResults()) == 0 {
		t.Fatalf("got %v, %v, want results while the stream is open", r, err)
	}
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) && status.Code(err) != grpccodes.Canceled {
			t.Errorf("got %v, want that it was cancelled", err)
		}
	case <-time.After(within):
		t.Fatal("the stream is still there")
	}
}

func TestSubmitWithoutOwner(t *testing.T) {
	i := newBank(t, 1).start().serving(1)
	i.stop()
	results := exchange(t, i.submitTo(), 1, []*bankv1.Command{opening(1, "c1.main"), posting(2, deposit("c1.main", "k", 1))})
	if !strings.Contains(results[1].GetUnavailable(), journal.ErrNotOwner.Error()) {
		t.Errorf("got %v, want unavailable", results[1])
	}
	if got := results[2].GetUnavailable(); got != errOvertaken.Error() {
		t.Errorf("got %q, want %q", got, errOvertaken)
	}
}
