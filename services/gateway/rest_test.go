package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/gateway"
)

// with returns the JSON of an entry with another value of a field; "" leaves the field out.
func with(field, value string) string {
	fields := []string{"idempotency_key", "account_id", "kind", "amount_minor", "currency"}
	values := map[string]string{
		"idempotency_key": `"k1"`, "account_id": `"c1.main"`, "kind": `"ENTRY_KIND_DEPOSIT"`, "amount_minor": `"1250"`, "currency": `"EUR"`,
	}
	if _, ok := values[field]; !ok {
		fields = append(fields, field)
	}
	values[field] = value
	var parts []string
	for _, f := range fields {
		if values[f] != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", f, values[f]))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestBadBodiesAreRefused(t *testing.T) {
	h := open(t, new(bank), nil)
	for name, c := range map[string]struct{ body, field string }{
		"not a number":            {with("amount_minor", `NaN`), "amount_minor"},
		"not a number, quoted":    {with("amount_minor", `"NaN"`), "amount_minor"},
		"infinite":                {with("amount_minor", `1e309`), "amount_minor"},
		"exponent":                {with("amount_minor", `1e2`), "amount_minor"},
		"exponent, quoted":        {with("amount_minor", `"1e2"`), "amount_minor"},
		"fraction":                {with("amount_minor", `0.1`), "amount_minor"},
		"fraction of zero":        {with("amount_minor", `1.0`), "amount_minor"},
		"fraction, quoted":        {with("amount_minor", `"1.0"`), "amount_minor"},
		"overflow":                {with("amount_minor", `9223372036854775808`), "amount_minor"},
		"overflow, quoted":        {with("amount_minor", `"9223372036854775808"`), "amount_minor"},
		"zero":                    {with("amount_minor", `0`), "amount_minor"},
		"negative":                {with("amount_minor", `-1`), "amount_minor"},
		"boolean amount":          {with("amount_minor", `true`), "amount_minor"},
		"nested amount":           {with("amount_minor", `{"a":[1]}`), "amount_minor"},
		"amount missing":          {with("amount_minor", ``), "amount_minor"},
		"unknown field":           {with("amount_major", `12`), "amount_major"},
		"unknown field, nested":   {with("deep", strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)), "deep"},
		"deep nesting":            {with("account_id", strings.Repeat(`{"a":`, 100_000)+"1"+strings.Repeat("}", 100_000)), "account_id"},
		"open nesting":            {with("account_id", strings.Repeat("[", 500_000)), "account_id"},
		"duplicate key":           {with("amount_minor", `5,"amount_minor":6`), "amount_minor"},
		"duplicate by JSON name":  {with("amount_minor", `5,"amountMinor":6`), "amount_minor"},
		"unknown kind":            {with("kind", `"ENTRY_KIND_GIFT"`), "kind"},
		"kind of number unknown":  {with("kind", `99`), "kind"},
		"string for a boolean":    {with("historical", `"yes"`), "historical"},
		"number for a string":     {with("merchant", `5`), "merchant"},
		"currency of two letters": {with("currency", `"EU"`), "currency"},
		"trailing garbage":        {entryJSON + "x", ""},
		"second object":           {entryJSON + entryJSON, ""},
		"torn":                    {entryJSON[:40], "account_id"},
		"no time":                 {with("occurred_at", `"yesterday"`), "occurred_at"},
		"not JSON":                {"amount_minor=5", ""},
		"empty":                   {"", "account_id"},
	} {
		t.Run(name, func(t *testing.T) {
			got := h.send("POST", "/v1/entries", c.body)
			reason, fields := got.reason(t)
			if got.status != http.StatusBadRequest || reason != "MALFORMED" {
				t.Errorf("got %d %s: %s", got.status, reason, got.body)
			}
			if _, ok := fields[c.field]; !ok {
				t.Errorf("got violations %v, want one of %q", fields, c.field)
			}
		})
	}
	if calls := h.calls(); len(calls) != 0 {
		t.Errorf("the service was asked: %v", calls)
	}
}

func TestEverythingWrongIsToldAtOnce(t *testing.T) {
	h := open(t, new(bank), nil)
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"form":  {`{"extra":{"amount_minor":[{}]},"kind":"X","amount_minor":1.5,"account_id":7,"idempotency_key":"k","currency":"EUR"}`, 4},
		"rules": {`{"idempotency_key":"k","amount_minor":-1,"kind":99,"account_id":"c1","currency":"eur"}`, 4},
		"both":  {`{"extra":1,"mcc":"1234","mcc":"x","amount_minor":"0.5","account_id":"c1","currency":"EUR"}`, 6},
	} {
		got := h.send("POST", "/v1/entries", c.body)
		if _, fields := got.reason(t); len(fields) != c.want {
			t.Errorf("%s: got violations %v, want %d", name, fields, c.want)
		}
	}
}

func TestBodyMustBeAnObject(t *testing.T) {
	h := open(t, new(bank), nil)
	for _, body := range []string{"5", "null", `"x"`, "[]", "[" + entryJSON + "]"} {
		got := h.send("POST", "/v1/entries", body)
		if _, fields := got.reason(t); fields[""] != "must be an object" {
			t.Errorf("%s: got %s", body, got.body)
		}
	}
}

func TestAnswerIsBounded(t *testing.T) {
	h := open(t, new(bank), nil)
	var body strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&body, `,"%s%d":1`, strings.Repeat("é", 30), i)
	}
	got := h.send("POST", "/v1/entries", "{"+body.String()[1:]+"}")
	if _, fields := got.reason(t); got.status != http.StatusBadRequest || len(got.body) > 12<<10 || !strings.Contains(fields[""], "more fields are wrong") {
		t.Errorf("got %d with %d bytes: %s", got.status, len(got.body), fields[""])
	}
	long := h.send("POST", "/v1/entries", `{"x`+strings.Repeat("é", 10_000)+`":1}`)
	if reason, _ := long.reason(t); long.status != http.StatusBadRequest || reason != "MALFORMED" || len(long.body) > 2000 {
		t.Errorf("got %d %s with %d bytes", long.status, reason, len(long.body))
	}
}

func TestIntegersMayBeNumbersOrStrings(t *testing.T) {
	h := open(t, new(bank), nil)
	for _, body := range []string{with("amount_minor", `1250`), with("amount_minor", `"1250"`), with("amount_minor", `1250,"correlation_id":null`)} {
		if got := h.send("POST", "/v1/entries", body); got.status != http.StatusOK {
			t.Errorf("%s: got %d: %s", body, got.status, got.body)
		}
	}
	for _, m := range h.calls() {
		if !proto.Equal(m, entry()) {
			t.Errorf("got %v, want %v", m, entry())
		}
	}
}

func TestIdempotencyKeyOverREST(t *testing.T) {
	h := open(t, new(bank), nil)
	const header = "Idempotency-Key"
	none := with("idempotency_key", "")
	for name, c := range map[string]struct {
		body    string
		headers []string
		key     string // "" where the request is refused
	}{
		"header alone":          {none, []string{header, "h1"}, "h1"},
		"field alone":           {entryJSON, nil, "k1"},
		"both, equal":           {entryJSON, []string{header, "k1"}, "k1"},
		"longest":               {none, []string{header, strings.Repeat("x", 255)}, strings.Repeat("x", 255)},
		"neither":               {none, nil, ""},
		"both, different":       {entryJSON, []string{header, "k2"}, ""},
		"empty":                 {none, []string{header, ""}, ""},
		"empty beside field":    {entryJSON, []string{header, ""}, ""},
		"too long":              {none, []string{header, strings.Repeat("x", 256)}, ""},
		"not ASCII":             {none, []string{header, "schlüssel"}, ""},
		"not ASCII, with field": {entryJSON, []string{header, "schlüssel"}, ""},
		"with a space":          {none, []string{header, "a b"}, ""},
		"twice":                 {none, []string{header, "a", header, "b"}, ""},
		"twice the same":        {none, []string{header, "a", header, "a"}, ""},
		"field too long":        {with("idempotency_key", `"`+strings.Repeat("x", 256)+`"`), nil, ""},
		"field not ASCII":       {with("idempotency_key", `"schlüssel"`), nil, ""},
		"field empty":           {with("idempotency_key", `""`), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(h.calls())
			got := h.send("POST", "/v1/entries", c.body, c.headers...)
			asked := h.calls()[before:]
			if c.key != "" {
				if got.status != http.StatusOK || len(asked) != 1 || keyOf(asked[0]) != c.key {
					t.Errorf("got %d and %v, want key %q", got.status, asked, c.key)
				}
				return
			}
			reason, fields := got.reason(t)
			if got.status != http.StatusBadRequest || reason != "MALFORMED" || fields["idempotency_key"] == "" || len(asked) != 0 {
				t.Errorf("got %d %s %v, and %d calls", got.status, reason, fields, len(asked))
			}
		})
	}
}

func TestReadsHaveNoUseForIdempotencyKey(t *testing.T) {
	h := open(t, new(bank), nil)
	got := h.send("GET", "/v1/customers/c1/entries:byKey?idempotency_key=k1", "", "Idempotency-Key", "other")
	want := &bankv1.FindByKeyRequest{CustomerId: "c1", IdempotencyKey: "k1"}
	if calls := h.calls(); got.status != http.StatusOK || len(calls) != 1 || !proto.Equal(calls[0], want) {
		t.Errorf("got %d: %s", got.status, got.body)
	}
}

func TestQueryIsChecked(t *testing.T) {
	h := open(t, new(bank), nil)
	for name, c := range map[string]struct{ method, path string }{
		"misspelt":          {"GET", "/v1/customers/c1/entries:byKey?idempotency_key=k1&idempotencykey=k2"},
		"given twice":       {"GET", "/v1/customers/c1/entries:byKey?idempotency_key=k1&idempotency_key=k2"},
		"two spellings":     {"GET", "/v1/customers/c1/entries:byKey?idempotency_key=k1&idempotencyKey=k2"},
		"missing":           {"GET", "/v1/customers/c1/entries:byKey"},
		"beside a body":     {"POST", "/v1/entries?historical=true"},
		"bad customer":      {"GET", "/v1/customers/c%201/entries:byKey?idempotency_key=k1"},
		"a slash in the id": {"GET", "/v1/customers/c%2F1/entries:byKey?idempotency_key=k1"},
	} {
		body := ""
		if c.method == "POST" {
			body = entryJSON
		}
		got := h.send(c.method, c.path, body)
		if reason, _ := got.reason(t); got.status != http.StatusBadRequest || reason != "MALFORMED" {
			t.Errorf("%s: got %d %s: %s", name, got.status, reason, got.body)
		}
	}
	if calls := h.calls(); len(calls) != 0 {
		t.Errorf("the service was asked: %v", calls)
	}
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestBodyIsBounded(t *testing.T) {
	h := open(t, new(bank), nil)
	for name, body := range map[string]io.Reader{
		"known length": strings.NewReader(`{"merchant":"` + strings.Repeat("x", 1<<20) + `"}`),
		"chunked":      io.LimitReader(endless{}, 2<<20),
		"endless":      endless{},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+h.http+"/v1/entries", body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			// The server closes the connection while the client still writes: that may be all it sees.
			t.Logf("%s: %v", name, err)
			continue
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: got %d, want 413", name, resp.StatusCode)
		}
	}
	if calls := h.calls(); len(calls) != 0 {
		t.Errorf("the service was asked: %v", calls)
	}
}

// raw is sendRaw over HTTP.
func (h *house) raw(text string) (string, error) { return sendRaw(h.http, text) }

func TestHeadersAreBounded(t *testing.T) {
	h := open(t, new(bank), nil)
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "X-%d: value\r\n", i)
	}
	got, err := h.raw("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + many.String() + "\r\n")
	if err != nil || !strings.HasPrefix(got, "HTTP/1.1 431 ") {
		t.Errorf("got %.80q, %v, want 431", got, err)
	}
	few := strings.Repeat("X-Same: value\r\n", 101)
	got, err = h.raw("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + few + "\r\n")
	if err != nil || !strings.HasPrefix(got, "HTTP/1.1 431 ") || !strings.Contains(got, "headers: there may be 100") {
		t.Errorf("got %q, %v, want 431 and why", got, err)
	}
}

func TestSlowHeadersAreCut(t *testing.T) {
	h := open(t, new(bank), func(c *gateway.Config) { c.HeaderTimeout = time.Second })
	if got, err := h.raw("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil || strings.Contains(got, "200 OK") {
		t.Errorf("got %q, %v, want a connection that is closed", got, err)
	}
}

func TestPathsThatLeadNowhere(t *testing.T) {
	h := open(t, new(bank), nil)
	for _, c := range []struct {
		method, path string
		status       int
		reason       string
	}{
		{"GET", "/v1/entries", http.StatusMethodNotAllowed, "UNIMPLEMENTED"},
		{"DELETE", "/v1/accounts", http.StatusMethodNotAllowed, "UNIMPLEMENTED"},
		{"GET", "/v1/nothing", http.StatusNotFound, "NOT_FOUND"},
		{"GET", "/nothing", http.StatusNotFound, "NOT_FOUND"},
		// The service of these is not served by this process.
		{"GET", "/v1/projections", http.StatusNotFound, "NOT_FOUND"},
	} {
		got := h.send(c.method, c.path, "")
		if reason, _ := got.reason(t); got.status != c.status || reason != c.reason {
			t.Errorf("%s %s: got %d %s, want %d %s", c.method, c.path, got.status, reason, c.status, c.reason)
		}
	}
	got := h.send("POST", "/v1/customers/c1/entries:byKey?idempotency_key=k1", "", "X-HTTP-Method-Override", "GET",
		"Content-Type", "application/x-www-form-urlencoded")
	if got.status != http.StatusMethodNotAllowed {
		t.Errorf("with an override of the method: got %d, want 405", got.status)
	}
}

func TestPagesOfOtherSitesMustNotWrite(t *testing.T) {
	h := open(t, new(bank), nil)
	got := h.send("POST", "/v1/entries", entryJSON, "Sec-Fetch-Site", "cross-site", "Origin", "https://example.org")
	if reason, _ := got.reason(t); got.status != http.StatusForbidden || reason != "PERMISSION_DENIED" || len(h.calls()) != 0 {
		t.Errorf("got %d %s and %d calls", got.status, reason, len(h.calls()))
	}
}
