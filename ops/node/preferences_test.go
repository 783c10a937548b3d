package node_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/refold/refold/ops/node"
)

// Preferences are set with PUT over REST, once for each key, and read back.
func TestPreferencesOverREST(t *testing.T) {
	n := open(t, node.Config{})
	call := func(method, body string, headers ...string) (int, string) {
		t.Helper()
		url := "http://" + n.Addresses().HTTP + "/v1/customers/alice/preferences"
		q, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			q.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, strings.ReplaceAll(string(b), ": ", ":")
	}
	const paris = `{"time_zone": "Europe/Paris", "rules": [{"kind": "ALERT_KIND_LOW_BALANCE", "limit": 20000}]}`
	for _, c := range []struct {
		method, key, body string
		status            int
		want              string
	}{
		{http.MethodGet, "", "", 404, "CUSTOMER_NOT_FOUND"},
		{http.MethodPut, "k1", paris, 200, `"revision":"1"`},
		{http.MethodPut, "k1", paris, 200, `"replayed":true`},
		{http.MethodPut, "k1", `{}`, 409, "IDEMPOTENCY_KEY_REUSED"},
		{http.MethodPut, "k2", `{"time_zone": "Mars/Base", "rules": [{"kind": "ALERT_KIND_SCORE_CHANGE", "limit": 600}]}`, 400, "rules[0]"},
		{http.MethodPut, "k2", `{"time_zone": "Mars/Base", "rules": [{"kind": "ALERT_KIND_SCORE_CHANGE", "limit": 600}]}`, 400, "IANA"},
		{http.MethodGet, "", "", 200, `"limit":"20000"`},
	} {
		var headers []string
		if c.key != "" {
			headers = []string{"Idempotency-Key", c.key}
		}
		if status, body := call(c.method, c.body, headers...); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: got %d %s, want %d %s", c.method, c.body, status, body, c.status, c.want)
		}
	}
}
