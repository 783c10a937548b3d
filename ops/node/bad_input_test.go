package node_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/topic"
)

// entry returns the JSON of a deposit of an amount.
func entry(account, amount, currency string) string {
	return fmt.Sprintf(`{"idempotency_key":"k","account_id":%q,"kind":"ENTRY_KIND_DEPOSIT","amount_minor":%s,"currency":%q}`, account, amount, currency)
}

func TestLG4Amounts(t *testing.T) {
	e := edgeOf(t, open(t, node.Config{}))
	e.account("alice.main", "EUR")
	e.account("alice.yen", "JPY")
	e.unchanged()
	for _, amount := range []string{
		`0`, `-0`, `"0"`, `-1`, `"-1"`, `1e309`, `NaN`, `"NaN"`, `Infinity`, `"Infinity"`, `1.0`, `"1.0"`, `0.1`, `".1"`, `1.234`, `1e2`, `"1e2"`, `1E0`,
		`9223372036854775808`, `"9223372036854775808"`, `-9223372036854775809`, `9007199254740992`, `"1000000000000001"`, `99999999999999999999999999`,
		`"+5"`, `"05"`, `" 5"`, `"5 "`, `"1_000"`, `"1,5"`, `"0x10"`, `"٣"`, `""`, `true`, `[5]`, `{"value":5}`, `null`,
	} {
		for account, currency := range map[string]string{"alice.main": "EUR", "alice.yen": "JPY"} {
			got := e.post("/v1/entries", entry(account, amount, currency))
			if !got.has("amount_minor") {
				t.Errorf("%s of %s: got %+v", amount, currency, got)
			}
		}
	}
	for _, amount := range []int64{0, -1, -1 << 63, 1<<63 - 1, 1_000_000_000_000_001} {
		r := deposit("k")
		r.AmountMinor = amount
		for way, got := range e.everywhere(r) {
			if !got.has("amount_minor") {
				t.Errorf("%d over %s: got %+v", amount, way, got)
			}
		}
		legs := fmt.Sprintf(`{"account_id":"alice.main","amount_minor":"%d","currency":"EUR"}`, amount)
		got := e.post("/v1/entries:legs", `{"idempotency_key":"k","account_id":"alice.main","kind":1,"legs":[{"account_id":"@world","amount_minor":"-5","currency":"EUR"},`+legs+`]}`)
		if amount != -1 && !got.has("legs[1].amount_minor") || amount == -1 && !got.has("legs") {
			t.Errorf("%d in a leg: got %+v", amount, got)
		}
	}
}

func TestID11Keys(t *testing.T) {
	e := edgeOf(t, open(t, node.Config{}))
	e.account("alice.main", "EUR")
	e.unchanged()
	const header = "Idempotency-Key"
	keyed := entry("alice.main", "1", "EUR")
	none := strings.Replace(keyed, `"idempotency_key":"k",`, "", 1)
	for name, c := range map[string]struct {
		body    string
		headers []string
	}{
		"missing":           {none, nil},
		"empty":             {none, []string{header, ""}},
		"empty beside body": {keyed, []string{header, ""}},
		"too long":          {none, []string{header, strings.Repeat("x", 256)}},
		"not ASCII":         {none, []string{header, "schlüssel"}},
		"with a space":      {none, []string{header, "a b"}},
		"duplicated":        {none, []string{header, "a", header, "a"}},
		"two":               {none, []string{header, "a", header, "b"}},
		"body differs":      {keyed, []string{header, "other"}},
		"body too long":     {strings.Replace(keyed, `"k"`, `"`+strings.Repeat("x", 256)+`"`, 1), nil},
		"body not ASCII":    {strings.Replace(keyed, `"k"`, `"é"`, 1), nil},
		"body is null":      {strings.Replace(keyed, `"k"`, `null`, 1), nil},
	} {
		if got := e.post("/v1/entries", c.body, c.headers...); !got.has("idempotency_key") || got.status != http.StatusBadRequest {
			t.Errorf("REST, %s: got %+v", name, got)
		}
	}
	for name, given := range map[string][]string{
		"empty": {""}, "too long": {strings.Repeat("x", 256)}, "duplicated": {"a", "a"}, "differs": {"other"},
	} {
		ctx := metadata.NewOutgoingContext(t.Context(), metadata.MD{"idempotency-key": given})
		_, err := e.bank.PostEntry(ctx, deposit("k"))
		if got := over(err); !got.has("idempotency_key") {
			t.Errorf("gRPC, %s: got %+v", name, got)
		}
	}
}

func TestKW19Sizes(t *testing.T) {
	e := edgeOf(t, open(t, node.Config{}))
	largest := widest()
	for _, l := range largest.GetLegs()[1:] {
		e.account(l.GetAccountId(), l.GetCurrency())
	}
	if _, err := e.bank.PostEntries(t.Context(), largest); err != nil {
		t.Fatal(err)
	}
	if got := e.longest(); got < 10_000 || got > 64<<10 {
		t.Errorf("the longest record: got %d bytes, want far less than 1 MB", got)
	}
	e.unchanged()
	legs := strings.TrimSuffix(strings.Repeat(`{"account_id":"alice.main","amount_minor":"1","currency":"EUR"},`, 100_000), ",")
	body := func(legs string) string {
		return `{"idempotency_key":"k","account_id":"alice.main","kind":1,"legs":[` + legs + `]}`
	}
	for name, text := range map[string]string{
		"10 MB": entry("alice.main", "1", strings.Repeat("E", 10<<20)), "100,000 legs": body(legs),
	} {
		if got := e.post("/v1/entries:legs", text); got.status != http.StatusRequestEntityTooLarge || got.reason != "BODY_TOO_LARGE" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
	if got := e.post("/v1/entries:legs", body(legs[:64*101-1])); !got.has("legs") {
		t.Errorf("101 legs: got %+v", got)
	}
	if got := e.post("/v1/entries:legs", body(strings.TrimSuffix(strings.Repeat("{},", 50_000), ","))); !got.has("legs") {
		t.Errorf("50,000 empty legs: got %d %s with %d fields", got.status, got.reason, len(got.fields))
	}
	r := &bankv1.PostEntriesRequest{IdempotencyKey: "k", AccountId: "alice.main", Kind: 1, Legs: make([]*bankv1.PostedLeg, 100_000)}
	for i := range r.GetLegs() {
		r.Legs[i] = new(bankv1.PostedLeg)
	}
	if _, err := e.bank.PostEntries(t.Context(), r); !over(err).has("legs") {
		t.Errorf("100,000 legs over gRPC: got %v", err)
	}
	r.Category = strings.Repeat("x", 4<<20)
	if _, err := e.bank.PostEntries(t.Context(), r); over(err).code != codes.ResourceExhausted {
		t.Errorf("more than 4 MB over gRPC: got %v", err)
	}
}

// widest returns the request whose record is the longest that there can be.
func widest() *bankv1.PostEntriesRequest {
	r := &bankv1.PostEntriesRequest{
		IdempotencyKey: strings.Repeat("k", 255), Kind: bankv1.EntryKind_ENTRY_KIND_DEPOSIT, CorrelationId: strings.Repeat("😀", 100),
		Merchant: strings.Repeat("😀", 200), Mcc: "5411", Category: strings.Repeat("😀", 100),
		Legs: []*bankv1.PostedLeg{{AccountId: "@world", AmountMinor: -990_000_000_000_000, Currency: "EUR"}},
	}
	for i := range 99 {
		r.Legs = append(r.Legs, &bankv1.PostedLeg{
			AccountId: strings.Repeat("c", 64) + "." + fmt.Sprintf("%032d", i), AmountMinor: 10_000_000_000_000, Currency: "EUR",
		})
	}
	r.AccountId = r.GetLegs()[1].GetAccountId()
	return r
}

// longest returns the bytes of the longest record of the journal.
func (e *edge) longest() int {
	e.t.Helper()
	client, err := cluster.Cluster{Seeds: []string{e.node.Addresses().Kafka}, ClientID: "test"}.Client(
		kgo.ConsumeTopics(topic.Transactions), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		e.t.Fatal(err)
	}
	defer client.Close()
	out := 0
	for seen := 0; seen < 100; {
		client.PollFetches(e.t.Context()).EachRecord(func(r *kgo.Record) {
			seen++
			out = max(out, len(r.Key)+len(r.Value))
		})
	}
	return out
}

// logbook keeps what is logged.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSuffix(l.text.String(), "\n"), "\n")
}

func TestSE12Texts(t *testing.T) {
	log := new(logbook)
	e := edgeOf(t, open(t, node.Config{Logger: slog.New(slog.NewTextHandler(log, nil))}))
	e.account("alice.main", "EUR")
	verbatim := deposit("verbatim")
	verbatim.Merchant, verbatim.Category = `<b>Café "عربي" 😀 =1+1</b>'; --`, strings.Repeat("é", 100)
	got, err := e.bank.PostEntry(t.Context(), verbatim)
	if err != nil || got.GetEntry().GetMerchant() != verbatim.GetMerchant() || got.GetEntry().GetCategory() != verbatim.GetCategory() {
		t.Errorf("got %v, %v, want it verbatim", got, err)
	}
	e.unchanged()
	bad := []string{"a\x00b", "a\nlevel=ERROR msg=forged", "a\r\nb", "\x1b[2J", "a\u0085b", "a\u2028b", "evil\u202egpj.exe", "a\u2066b", "\ufffd", strings.Repeat("x", 10_000)}
	for name, command := range commands() {
		fields := command.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			fd := fields.Get(i)
			if fd.Kind() != protoreflect.StringKind {
				continue
			}
			for _, text := range bad {
				r := proto.Clone(command)
				r.ProtoReflect().Set(fd, protoreflect.ValueOfString(text))
				answer := new(bankv1.PostEntryResponse)
				if got := over(e.invoke(name, r, answer)); !got.has(string(fd.Name())) {
					t.Errorf("%s.%s of %.30q: got %+v", name, fd.Name(), text, got)
				}
			}
		}
	}
	if got := e.post("/v1/entries%0Alevel=ERROR", "{}"); got.status == http.StatusOK {
		t.Errorf("got %+v", got)
	}
	for _, line := range log.lines() {
		if line != "" && !strings.HasPrefix(line, "time=") {
			t.Errorf("a line of the log is forged: %q", line)
		}
	}
}

// commands are requests of every command, by method.
func commands() map[string]proto.Message {
	return map[string]proto.Message{
		"OpenAccount":     &bankv1.OpenAccountRequest{IdempotencyKey: "k", AccountId: "alice.main", Kind: 1, Currency: "EUR"},
		"PostEntry":       deposit("k"),
		"FreezeAccount":   &bankv1.FreezeAccountRequest{IdempotencyKey: "k", AccountId: "alice.main", Reason: "r"},
		"UnfreezeAccount": &bankv1.UnfreezeAccountRequest{IdempotencyKey: "k", AccountId: "alice.main", Reason: "r"},
		"CloseAccount":    &bankv1.CloseAccountRequest{IdempotencyKey: "k", AccountId: "alice.main", Reason: "r"},
		"PlaceHold":       &bankv1.PlaceHoldRequest{IdempotencyKey: "k", AccountId: "alice.main", AmountMinor: 1, Currency: "EUR"},
		"CaptureHold":     &bankv1.CaptureHoldRequest{IdempotencyKey: "k", AccountId: "alice.main", HoldId: "h"},
		"ReleaseHold":     &bankv1.ReleaseHoldRequest{IdempotencyKey: "k", AccountId: "alice.main", HoldId: "h"},
		"ReverseEntry":    &bankv1.ReverseEntryRequest{IdempotencyKey: "k", AccountId: "alice.main", EntryId: "e"},
		"Transfer":        &bankv1.TransferRequest{IdempotencyKey: "k", AccountId: "alice.main", ToAccountId: "alice.other", AmountMinor: 1, Currency: "EUR"},
		"PostEntries":     &bankv1.PostEntriesRequest{IdempotencyKey: "k", AccountId: "alice.main", Kind: 1, Legs: []*bankv1.PostedLeg{{AccountId: "alice.main", AmountMinor: 1, Currency: "EUR"}, {AccountId: "@world", AmountMinor: -1, Currency: "EUR"}}},
		"RedeemRewards":   &bankv1.RedeemRewardsRequest{IdempotencyKey: "k", CustomerId: "alice", AccountId: "alice.main", Points: 1},
		"FindByKey":       &bankv1.FindByKeyRequest{CustomerId: "alice", IdempotencyKey: "k"},
	}
}
