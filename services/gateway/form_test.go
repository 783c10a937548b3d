package gateway_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/services/gateway"
)

func TestSE13Bodies(t *testing.T) {
	h := open(t, new(bank), nil)
	leg := `{"account_id":"c1.main","amount_minor":"1","currency":"EUR"}`
	legs := func(second string) string {
		return `{"idempotency_key":"k1","account_id":"c1.main","kind":1,"legs":[` + leg + `,` + second + `]}`
	}
	for name, c := range map[string]struct{ path, body, field string }{
		"duplicate by an escaped name":  {"/v1/entries", with("amount_minor", `5,"amount\u005fminor":6`), "amount_minor"},
		"unknown by an escaped name":    {"/v1/entries", with("amount\u005fmajor", `5`), "amount_major"},
		"duplicate, the first null":     {"/v1/entries", with("amount_minor", `null,"amount_minor":6`), "amount_minor"},
		"duplicate, the second null":    {"/v1/entries", with("amount_minor", `6,"amountMinor":null`), "amount_minor"},
		"name in other letters":         {"/v1/entries", with("Amount_Minor", `6`), "Amount_Minor"},
		"unknown in a leg":              {"/v1/entries:legs", legs(`{"amount":1}`), "legs[1].amount"},
		"duplicate in a leg":            {"/v1/entries:legs", legs(`{"account_id":"c1.a","accountId":"c1.b"}`), "legs[1].account_id"},
		"fraction in a leg":             {"/v1/entries:legs", legs(`{"amount_minor":-1.0}`), "legs[1].amount_minor"},
		"null for a leg":                {"/v1/entries:legs", legs(`null`), "legs[1]"},
		"text for a leg":                {"/v1/entries:legs", legs(`"@world"`), "legs[1]"},
		"object for the legs":           {"/v1/entries:legs", `{"legs":` + leg + `}`, "legs"},
		"text for the legs":             {"/v1/entries:legs", `{"legs":"x"}`, "legs"},
		"rule in a leg beside the form": {"/v1/entries:legs", legs(`{"account_id":"@gold","amount_minor":0.5,"currency":"EUR"}`), "legs[1].account_id"},
		"beyond what doubles hold":      {"/v1/accounts", `{"overdraft_limit_minor":9007199254740993}`, "overdraft_limit_minor"},
		"not UTF-8":                     {"/v1/entries", with("merchant", "\"a\xffb\""), "merchant"},
		"half a surrogate":              {"/v1/entries", with("merchant", `"\ud800"`), "merchant"},
		"NUL":                           {"/v1/entries", with("merchant", `"a\u0000b"`), "merchant"},
		"fraction for a kind":           {"/v1/entries", with("kind", `1.0`), "kind"},
		"number in text for a kind":     {"/v1/entries", with("kind", `"1"`), "kind"},
		"object for a time":             {"/v1/entries", with("occurred_at", `{"seconds":1}`), "occurred_at"},
		"time of the year 10000":        {"/v1/entries", with("occurred_at", `"10000-01-01T00:00:00Z"`), "occurred_at"},
		"byte order mark":               {"/v1/entries", "\ufeff" + entryJSON, ""},
		"another account in the path":   {"/v1/accounts/c1.main:freeze", `{"idempotency_key":"k1","account_id":"c2.main","reason":"r"}`, "account_id"},
	} {
		got := h.send("POST", c.path, c.body)
		reason, fields := got.reason(t)
		if _, ok := fields[c.field]; !ok || got.status != http.StatusBadRequest || reason != "MALFORMED" {
			t.Errorf("%s: got %d %s %v, want one of %q", name, got.status, reason, fields, c.field)
		}
	}
	beyond := h.send("POST", "/v1/accounts", `{"overdraft_limit_minor":9007199254740992}`)
	if _, fields := beyond.reason(t); !strings.HasPrefix(fields["overdraft_limit_minor"], "must be a string") {
		t.Errorf("got %v, want it to be a string", fields)
	}
	if calls := h.calls(); len(calls) != 0 {
		t.Errorf("the service was asked: %v", calls)
	}
}

func TestSE13MediaTypes(t *testing.T) {
	h := open(t, new(bank), nil)
	for kind, want := range map[string]int{
		"application/json": 200, "Application/JSON; charset=UTF-8": 200, "application/json;charset=latin1": 415, "text/plain": 415,
		"application/x-www-form-urlencoded": 415, "application/grpc": 415, "application/json, text/plain": 415, ";": 415,
	} {
		got := h.send("POST", "/v1/entries", entryJSON, "Content-Type", kind)
		if got.status != want || want == 415 && !strings.Contains(got.body, "UNSUPPORTED_MEDIA_TYPE") {
			t.Errorf("%q: got %d, want %d: %s", kind, got.status, want, got.body)
		}
	}
	if got := h.send("POST", "/v1/entries", entryJSON, "Content-Encoding", "gzip"); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("compressed: got %d", got.status)
	}
	if calls := h.calls(); len(calls) != 2 {
		t.Errorf("the service was asked %d times, want 2", len(calls))
	}
}

func TestParametersAreTold(t *testing.T) {
	h := open(t, &bank{also: func(r grpc.ServiceRegistrar) {
		bankv1.RegisterReportsServiceServer(r, bankv1.UnimplementedReportsServiceServer{})
	}}, nil)
	for query, field := range map[string]string{
		"page_size=1e2": "page_size", "page_size=": "page_size", "page_size=99999999999": "page_size", "page_size=-1&x=y": "page_size",
		"from=yesterday": "from", "page_size=1&pageSize=2": "page_size", "account_id=c2.main": "account_id", "from.seconds=1": "from.seconds",
		"page_token=%FF": "page_token", "page_token=%00": "page_token", "page_size=%zz": "", "pageSize=1&pageSize=1": "page_size", "page_size=1;x=2": "",
	} {
		got := h.send("GET", "/v1/accounts/c1.main/entries?"+query, "")
		if reason, fields := got.reason(t); got.status != http.StatusBadRequest || reason != "MALFORMED" || fields[field] == "" {
			t.Errorf("%s: got %d %s %v, want one of %q", query, got.status, reason, fields, field)
		}
	}
}

func TestMalformedSpanIsTold(t *testing.T) {
	h := open(t, new(bank), nil)
	for _, text := range []string{"abc", "60", "", "1m", "9999999999999s"} {
		got := h.send("GET", "/v1/transfers:pending?older_than="+text, "")
		if _, fields := got.reason(t); got.status != http.StatusBadRequest || fields["older_than"] == "" {
			t.Errorf("%q: got %d %v, want one of older_than", text, got.status, fields)
		}
	}
}

func TestMissingKeyNamesTheHeader(t *testing.T) {
	h := open(t, new(bank), nil)
	got := h.send("POST", "/v1/entries", with("idempotency_key", `""`))
	if _, fields := got.reason(t); !strings.Contains(fields["idempotency_key"], "Idempotency-Key") {
		t.Errorf("got %v, want the header named", fields)
	}
}

func TestPathsAreTold(t *testing.T) {
	h := open(t, new(bank), nil)
	freeze := `{"idempotency_key":"k1","reason":"r"}`
	for _, id := range []string{"%FF", "%00", "%0A", "a%2Fb", "c1", "%E2%80%AEc1.main", strings.Repeat("x", 10_000)} {
		got := h.send("POST", "/v1/accounts/"+id+":freeze", freeze)
		if reason, fields := got.reason(t); got.status != http.StatusBadRequest || reason != "MALFORMED" || fields["account_id"] == "" || len(fields) != 1 {
			t.Errorf("%.20s: got %d %s %v, want one of account_id", id, got.status, reason, fields)
		}
	}
	for _, path := range []string{"/%FF", "/v1/%FF", "/%0Alevel=ERROR"} {
		if reason, _ := h.send("GET", path, "").reason(t); reason != "NOT_FOUND" {
			t.Errorf("%s: got %s", path, reason)
		}
	}
	if calls := h.calls(); len(calls) != 0 || strings.Contains(h.log.String(), "level=ERROR") {
		t.Errorf("the service was asked: %v, or an error was logged: %s", calls, h.log)
	}
}

// raw is a codec of bytes that are sent as they are.
type raw struct{ bytes []byte }

func (r raw) Marshal(any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(r.bytes)}, nil
}
func (raw) Unmarshal(d mem.BufferSlice, out any) error {
	return encoding.GetCodecV2("proto").Unmarshal(d, out)
}
func (raw) Name() string { return "proto" }

func TestSE13BytesThatAreNoMessage(t *testing.T) {
	h := open(t, new(bank), nil)
	for name, bytes := range map[string][]byte{
		"not UTF-8": {0x12, 1, 0xff}, "torn": {0x12, 50, 'c'}, "no tag": {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "a group that is open": {0x0b},
	} {
		err := h.conn.Invoke(t.Context(), bankv1.TransactionsService_PostEntry_FullMethodName, new(emptypb.Empty), new(emptypb.Empty), grpc.ForceCodecV2(raw{bytes}))
		if reason, fields := told(err); status.Code(err) != codes.InvalidArgument || reason != "refold/MALFORMED" || !strings.HasPrefix(fields[""], "cannot be decoded: ") {
			t.Errorf("%s: got %v, %s, %v", name, err, reason, fields)
		}
	}
	stream, err := h.conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
		bankv1.TransactionsService_Submit_FullMethodName, grpc.ForceCodecV2(raw{[]byte{0x0a, 50}}))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.SendMsg(new(emptypb.Empty)); err != nil {
		t.Fatal(err)
	}
	err = stream.RecvMsg(new(emptypb.Empty))
	if reason, _ := told(err); status.Code(err) != codes.InvalidArgument || reason != "refold/MALFORMED" {
		t.Errorf("on a stream: got %v, %s", err, reason)
	}
	if calls := h.calls(); len(calls) != 0 || strings.Contains(h.log.String(), "level=ERROR") {
		t.Errorf("the service was asked: %v, or an error was logged: %s", calls, h.log)
	}
}

// Many clients of gRPC take no more than 8 KB of headers, and details are one.
func TestViolationsFitIntoHeaders(t *testing.T) {
	h := open(t, new(bank), nil)
	conn := h.narrow(8 << 10)
	r := &bankv1.PostEntriesRequest{}
	for range 100 {
		r.Legs = append(r.Legs, &bankv1.PostedLeg{AccountId: "a\nb"})
	}
	_, err := bankv1.NewTransactionsServiceClient(conn).PostEntries(t.Context(), r)
	reason, fields := told(err)
	if reason != "refold/MALFORMED" || fields["legs[9].account_id"] == "" || !strings.HasSuffix(fields[""], "more fields are wrong") {
		t.Errorf("got %v, %s, %d fields, %q", err, reason, len(fields), fields[""])
	}
}

// Whatever a rule of a .proto file wants is told in words.
func TestRulesAreToldInWords(t *testing.T) {
	v, err := gateway.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range []protoreflect.FileDescriptor{bankv1.File_bank_v1_transactions_proto, bankv1.File_bank_v1_reports_proto, bankv1.File_bank_v1_inbox_proto, bankv1.File_bank_v1_profiles_proto, refoldv1.File_refold_v1_control_proto} {
		for i := range file.Messages().Len() {
			m := file.Messages().Get(i)
			for j := range m.Fields().Len() {
				fd := m.Fields().Get(j)
				rules, _ := proto.GetExtension(fd.Options(), validate.E_Field).(*validate.FieldRules)
				if rules.GetString().GetPattern() == "" {
					continue
				}
				n++
				bad := newMessage(t, m)
				bad.Set(fd, protoreflect.ValueOfString("?!"))
				if _, fields := told(v.Validate(bad.Interface())); fields[string(fd.Name())] == "" && rules.GetString().GetPattern() != "^[!-~]+$" ||
					strings.Contains(fields[string(fd.Name())], "must match") {
					t.Errorf("%s: got %q", fd.FullName(), fields[string(fd.Name())])
				}
			}
		}
	}
	if n < 30 {
		t.Errorf("got %d patterns: the test shows nothing", n)
	}
}

// Preferences are refused with everything that is wrong with them, their time zone too.
func TestEveryWrongPreferenceIsNamed(t *testing.T) {
	v, err := gateway.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	rules := func(kind bankv1.AlertKind, limits ...int64) (out []*bankv1.AlertRule) {
		for _, limit := range limits {
			out = append(out, &bankv1.AlertRule{Kind: kind, Limit: limit})
		}
		return out
	}
	_, fields := told(v.Validate(&bankv1.SetPreferencesRequest{CustomerId: "?", TimeZone: "Mars/Base", Rules: append(rules(1, -5), rules(0, 0)...)}))
	for _, want := range []string{"idempotency_key", "customer_id", "time_zone", "rules[0]", "rules[1].kind"} {
		if fields[want] == "" {
			t.Errorf("%s is not named: %v", want, fields)
		}
	}
	for name, c := range map[string]struct {
		rules []*bankv1.AlertRule
		field string
	}{
		"twice":             {rules(1, 1, 2), "rules"},
		"too much money":    {rules(1, 1_000_000_000_001), "rules[0]"},
		"too many points":   {rules(4, 551), "rules[0]"},
		"the usual":         {rules(6, 100), "rules[0]"},
		"too many percent":  {rules(6, 10_001), "rules[0]"},
		"a limit of none":   {rules(3, 1), "rules[0]"},
		"another of none":   {rules(5, 1), "rules[0]"},
		"an unknown kind":   {rules(7, 0), "rules[0].kind"},
		"all that is right": {slices.Concat(rules(1, 1_000_000_000_000), rules(2, 1), rules(3, 0), rules(4, 550), rules(5, 0), rules(6, 101)), ""},
	} {
		_, fields := told(v.Validate(&bankv1.SetPreferencesRequest{IdempotencyKey: "k", CustomerId: "c1", TimeZone: "Europe/Paris", Rules: c.rules}))
		if _, named := fields[c.field]; c.field == "" && len(fields) > 0 || c.field != "" && !named {
			t.Errorf("%s: got %v, want %q", name, fields, c.field)
		}
	}
	for _, zone := range []string{"Local", "europe", "../etc/passwd"} {
		if _, fields := told(v.Validate(&bankv1.OpenAccountRequest{TimeZone: zone})); fields["time_zone"] == "" {
			t.Errorf("%s is taken for a time zone", zone)
		}
	}
}

func ExampleMalformed() {
	v, err := gateway.NewValidator()
	if err != nil {
		fmt.Println(err)
		return
	}
	err = v.Validate(&bankv1.PostEntryRequest{AccountId: "alice", Kind: 8, AmountMinor: -1, Currency: "eur", Mcc: "1", Merchant: "a\nb"})
	var m *gateway.Malformed
	if !errors.As(err, &m) {
		return
	}
	for _, v := range m.Violations {
		fmt.Println(v.GetField(), v.GetDescription())
	}
	// Output:
	// merchant must not have control characters, separators of lines, or overrides of the writing direction
	// idempotency_key must be set, or given beside the request as Idempotency-Key
	// account_id must be customer.name, both of letters, digits, _ and -
	// kind must be another EntryKind for this call
	// amount_minor must be greater than 0 and less than or equal to 1000000000000000
	// currency must be a currency code such as EUR
	// mcc must be four digits
}
