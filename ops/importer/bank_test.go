package importer

import (
	"context"
	"fmt"
	"hash/maphash"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/schemas/api/bankv1"
)

// bank is the transactions service in memory: it decides commands by customer and key, once for ever, and
// answers them in an order of its own. Its hooks are set before the first command.
type bank struct {
	bankv1.UnimplementedTransactionsServiceServer
	// rejects says why a row is to be rejected, or nil.
	rejects func(*bankv1.PostEntryRequest) *bankv1.Rejection
	// absent says whether the n-th command that was received, from 1, is to be answered as unavailable.
	absent func(n int, c *bankv1.Command) bool
	// cut returns an error to break the stream with once the n-th message was decided and not answered.
	cut func(n int) error
	// answer, where it is set, is sent instead of the answers.
	answer func(*bankv1.SubmitRequest) *bankv1.SubmitResponse

	mu       sync.Mutex
	seed     maphash.Seed
	commands int
	messages int
	largest  int
	records  map[string]record
	accounts map[string]*holding
	log      []*bankv1.Command
	resent   int
}

type record struct {
	content uint64
	result  *bankv1.Result
}

// holding is what one account has.
type holding struct {
	currency string
	count    int64
	minor    int64
}

func newBank() *bank {
	return &bank{seed: maphash.MakeSeed(), records: make(map[string]record), accounts: make(map[string]*holding)}
}

// serve starts a server of the bank and returns a client of it.
func (b *bank) serve(t testing.TB) bankv1.TransactionsServiceClient {
	t.Helper()
	_, listener := b.start(t)
	return dial(t, func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) })
}

func (b *bank) start(t testing.TB) (*grpc.Server, *bufconn.Listener) {
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer()
	bankv1.RegisterTransactionsServiceServer(server, b)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return server, listener
}

func dial(t testing.TB, dialer func(context.Context, string) (net.Conn, error)) bankv1.TransactionsServiceClient {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///bank", grpc.WithContextDialer(dialer), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return bankv1.NewTransactionsServiceClient(conn)
}

func (b *bank) Submit(stream grpc.BidiStreamingServer[bankv1.SubmitRequest, bankv1.SubmitResponse]) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil
		}
		answers, err := b.take(request)
		if err != nil {
			return err
		}
		for _, a := range answers {
			if err := stream.Send(a); err != nil {
				return err
			}
		}
	}
}

// take decides a message and answers it in two messages, last command first.
func (b *bank) take(request *bankv1.SubmitRequest) ([]*bankv1.SubmitResponse, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages++
	b.largest = max(b.largest, len(request.Commands))
	results := make([]*bankv1.Result, len(request.Commands))
	for i, c := range request.Commands {
		b.commands++
		results[i] = &bankv1.Result{Tag: c.Tag, Outcome: &bankv1.Result_Unavailable{Unavailable: "the partition moves"}}
		if b.absent == nil || !b.absent(b.commands, c) {
			results[i] = b.decide(c)
		}
	}
	if b.cut != nil {
		if err := b.cut(b.messages); err != nil {
			return nil, err
		}
	}
	if b.answer != nil {
		return []*bankv1.SubmitResponse{b.answer(request)}, nil
	}
	slices.Reverse(results)
	half := len(results) / 2
	return []*bankv1.SubmitResponse{{Results: results[:half]}, {Results: results[half:]}}, nil
}

func (b *bank) decide(c *bankv1.Command) *bankv1.Result {
	account, key := c.GetPostEntry().GetAccountId(), c.GetPostEntry().GetIdempotencyKey()
	var content proto.Message = c.GetPostEntry()
	if open := c.GetOpenAccount(); open != nil {
		account, key, content = open.AccountId, open.IdempotencyKey, open
	}
	customer, _, _ := strings.Cut(account, ".")
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(content)
	if err != nil {
		panic(err)
	}
	hash := maphash.Bytes(b.seed, bytes)
	known, ok := b.records[customer+" "+key]
	switch {
	case ok && known.content != hash:
		return rejected(c.Tag, "IDEMPOTENCY_KEY_REUSED", fmt.Sprintf("key %s was used for other content", key))
	case ok:
		b.resent++
		return replay(c.Tag, known.result)
	}
	known = record{content: hash, result: b.apply(c)}
	b.records[customer+" "+key] = known
	b.log = append(b.log, c)
	return known.result
}

func (b *bank) apply(c *bankv1.Command) *bankv1.Result {
	if open := c.GetOpenAccount(); open != nil {
		b.accounts[open.AccountId] = &holding{currency: open.Currency}
		return &bankv1.Result{Tag: c.Tag, Outcome: &bankv1.Result_Opened{Opened: &bankv1.OpenAccountResponse{AccountId: open.AccountId}}}
	}
	post := c.GetPostEntry()
	holding := b.accounts[post.AccountId]
	if holding == nil {
		return rejected(c.Tag, "ACCOUNT_NOT_FOUND", "there is no account "+post.AccountId)
	}
	if holding.currency != post.Currency {
		return rejected(c.Tag, "CURRENCY_MISMATCH", "the account is in "+holding.currency)
	}
	if b.rejects != nil {
		if why := b.rejects(post); why != nil {
			return rejected(c.Tag, why.Reason, why.Detail)
		}
	}
	holding.count++
	holding.minor += signed(post)
	return &bankv1.Result{Tag: c.Tag, Outcome: &bankv1.Result_Posted{Posted: &bankv1.PostEntryResponse{}}}
}

// signed returns the amount of an entry, money in being positive.
func signed(p *bankv1.PostEntryRequest) int64 {
	switch p.Kind {
	case bankv1.EntryKind_ENTRY_KIND_DEPOSIT, bankv1.EntryKind_ENTRY_KIND_REFUND, bankv1.EntryKind_ENTRY_KIND_INTEREST:
		return p.AmountMinor
	case bankv1.EntryKind_ENTRY_KIND_WITHDRAWAL, bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, bankv1.EntryKind_ENTRY_KIND_FEE:
		return -p.AmountMinor
	default:
		panic("no format has entries of kind " + p.Kind.String())
	}
}

func rejected(tag uint64, reason, detail string) *bankv1.Result {
	return &bankv1.Result{Tag: tag, Outcome: &bankv1.Result_Rejected{Rejected: &bankv1.Rejection{Reason: reason, Detail: detail}}}
}

// replay returns a result as it is given the second time.
func replay(tag uint64, r *bankv1.Result) *bankv1.Result {
	again := proto.CloneOf(r)
	again.Tag = tag
	if again.GetOpened() != nil {
		again.GetOpened().Replayed = true
	}
	if again.GetPosted() != nil {
		again.GetPosted().Replayed = true
	}
	return again
}
