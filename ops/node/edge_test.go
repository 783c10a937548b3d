package node_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/topic"
)

// edge is a node as its callers see it.
type edge struct {
	t    *testing.T
	node *node.Node
	bank bankv1.TransactionsServiceClient
}

func edgeOf(t *testing.T, n *node.Node) *edge {
	return &edge{t: t, node: n, bank: bankv1.NewTransactionsServiceClient(dial(t, n))}
}

// refusal is how a call was refused, whatever it came over.
type refusal struct {
	status int // over REST
	code   codes.Code
	reason string
	fields map[string]string
	header http.Header
}

// has reports whether a call was refused as malformed in one field.
func (r refusal) has(field string) bool {
	_, ok := r.fields[field]
	return ok && r.reason == "MALFORMED" && (r.status == http.StatusBadRequest || r.code == codes.InvalidArgument)
}

// over reads a refusal from the error of a call over gRPC.
func over(err error) refusal {
	st := status.Convert(err)
	out := refusal{code: st.Code(), fields: make(map[string]string)}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			out.reason = d.GetReason()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				out.fields[v.GetField()] = v.GetDescription()
			}
		}
	}
	return out
}

// post sends a body over REST; headers are given as names and values, one after the other.
func (e *edge) post(path, body string, headers ...string) refusal {
	e.t.Helper()
	q, err := http.NewRequestWithContext(e.t.Context(), http.MethodPost, "http://"+e.node.Addresses().HTTP+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	var problem struct {
		Details []struct {
			Reason          string
			FieldViolations []struct{ Field, Description string } `json:"field_violations"`
		}
	}
	if err := json.Unmarshal(text, &problem); err != nil {
		e.t.Fatalf("%d, and no JSON: %v: %s", resp.StatusCode, err, text)
	}
	out := refusal{status: resp.StatusCode, header: resp.Header, fields: make(map[string]string)}
	for _, d := range problem.Details {
		if d.Reason != "" {
			out.reason = d.Reason
		}
		for _, v := range d.FieldViolations {
			out.fields[v.Field] = v.Description
		}
	}
	return out
}

// invoke makes a unary call of a method.
func (e *edge) invoke(method string, r, answer proto.Message) error {
	return dial(e.t, e.node).Invoke(e.t.Context(), "/bank.v1.TransactionsService/"+method, r, answer)
}

// submit sends commands in one message and returns the results by tag.
func (e *edge) submit(commands ...*bankv1.Command) map[uint64]*bankv1.Result {
	e.t.Helper()
	ctx, cancel := context.WithCancel(e.t.Context())
	defer cancel()
	stream, err := e.bank.Submit(ctx)
	if err != nil {
		e.t.Fatal(err)
	}
	if err := stream.Send(&bankv1.SubmitRequest{Commands: commands}); err != nil {
		e.t.Fatal(err)
	}
	out := make(map[uint64]*bankv1.Result)
	for len(out) < len(commands) {
		r, err := stream.Recv()
		if err != nil {
			e.t.Fatalf("after %d results: %v", len(out), err)
		}
		for _, result := range r.GetResults() {
			out[result.GetTag()] = result
		}
	}
	return out
}

// everywhere sends an entry over gRPC, REST and a batch, and returns how each refused it. The batch goes on
// with a command that is in order.
func (e *edge) everywhere(r *bankv1.PostEntryRequest) map[string]refusal {
	e.t.Helper()
	_, err := e.bank.PostEntry(e.t.Context(), r)
	body, _ := protojson.Marshal(r)
	results := e.submit(
		&bankv1.Command{Tag: 1, Command: &bankv1.Command_PostEntry{PostEntry: r}},
		&bankv1.Command{Tag: 2, Command: &bankv1.Command_FreezeAccount{FreezeAccount: &bankv1.FreezeAccountRequest{}}},
	)
	batch := refusal{code: codes.InvalidArgument, reason: results[1].GetRejected().GetReason(), fields: make(map[string]string)}
	for _, v := range results[1].GetRejected().GetViolations() {
		batch.fields[v.GetField()] = v.GetDescription()
	}
	if got := results[2].GetRejected().GetViolations(); len(got) != 3 {
		e.t.Errorf("the next command of the batch: got %v, want 3 violations", results[2])
	}
	return map[string]refusal{"gRPC": over(err), "REST": e.post("/v1/entries", string(body)), "batch": batch}
}

// written returns the number of offsets of the journal.
func (e *edge) written() int64 {
	e.t.Helper()
	client, err := cluster.Cluster{Seeds: []string{e.node.Addresses().Kafka}, ClientID: "test"}.Client()
	if err != nil {
		e.t.Fatal(err)
	}
	defer client.Close()
	ends, err := cluster.Ends(context.WithoutCancel(e.t.Context()), client, topic.Transactions)
	if err != nil {
		e.t.Fatal(err)
	}
	var sum int64
	for _, end := range ends {
		sum += end
	}
	return sum
}

// unchanged fails the test where anything is written to the journal before it ends.
func (e *edge) unchanged() {
	before := e.written()
	e.t.Cleanup(func() {
		if after := e.written(); after != before {
			e.t.Errorf("%d offsets of the journal were written, want none", after-before)
		}
	})
}

// account opens an account.
func (e *edge) account(id, currency string) {
	e.t.Helper()
	_, err := e.bank.OpenAccount(e.t.Context(), &bankv1.OpenAccountRequest{
		IdempotencyKey: "open-" + id, AccountId: id, Kind: bankv1.AccountKind_ACCOUNT_KIND_CURRENT, Currency: currency,
	})
	if err != nil {
		e.t.Fatal(err)
	}
}

// deposit returns a request that is in order.
func deposit(key string) *bankv1.PostEntryRequest {
	return &bankv1.PostEntryRequest{
		IdempotencyKey: key, AccountId: "alice.main", Kind: bankv1.EntryKind_ENTRY_KIND_DEPOSIT, AmountMinor: 100, Currency: "EUR",
	}
}
