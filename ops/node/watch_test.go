package node_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/refold/refold/ops/node"
)

// stream reads the events of a read that is watched: it returns a function that reads on until an event's data has a
// text, and returns the event's id.
func stream(t *testing.T, n *node.Node, path, last string) (until func(text string) (id string), leave func()) {
	t.Helper()
	ctx, leave := context.WithTimeout(t.Context(), time.Minute)
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Addresses().HTTP+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Accept", "text/event-stream")
	q.Header.Set("Last-Event-ID", last)
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %d", path, resp.StatusCode)
	}
	lines := bufio.NewScanner(resp.Body)
	return func(text string) (id string) {
		t.Helper()
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				id = value
			case "data":
				if strings.Contains(strings.ReplaceAll(value, ": ", ":"), text) {
					return id
				}
			}
		}
		t.Fatalf("%s ended without %s: %v", path, text, lines.Err())
		return ""
	}, leave
}

// What a purchase changes is told to those who watch the score, the points and the inbox; who comes back is told what
// has changed meanwhile. The node ends with streams that are open.
func TestScoreRewardsAndInboxAreWatched(t *testing.T) {
	n := open(t, node.Config{})
	e := edgeOf(t, n)
	post := func(key, kind string, minor int) {
		t.Helper()
		body := fmt.Sprintf(`{"account_id":"alice.card","kind":"ENTRY_KIND_%s","amount_minor":"%d","currency":"EUR"}`, kind, minor)
		if got := e.post("/v1/entries", body, "Idempotency-Key", key); got.status != http.StatusOK {
			t.Fatalf("%s: got %+v", key, got)
		}
	}
	if got := e.post("/v1/accounts", `{"account_id":"alice.card","kind":"ACCOUNT_KIND_CARD","currency":"EUR","overdraft_limit_minor":"100000"}`, "Idempotency-Key", "open"); got.status != http.StatusOK {
		t.Fatalf("got %+v", got)
	}
	post("in", "DEPOSIT", 1_000)
	post("first", "CARD_PURCHASE", 100)
	for _, path := range []string{"score", "rewards", "inbox"} {
		eventually(t, func(ctx context.Context) error {
			q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Addresses().HTTP+"/v1/customers/alice/"+path, nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(q)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: got %d", path, resp.StatusCode)
			}
			return nil
		})
	}
	score, leaveScore := stream(t, n, "/v1/customers/alice/score", "")
	points, leavePoints := stream(t, n, "/v1/customers/alice/rewards", "")
	told, leaveInbox := stream(t, n, "/v1/customers/alice/inbox?unread=true", "")
	score(`"customer_id":"alice"`)
	points(`"points":"1"`)
	seen := told(`"unread":"0"`)
	leaveInbox()
	post("second", "CARD_PURCHASE", 60_000)
	points(`"points":"601"`)
	score(`overdrawn, or charged penalty interest, in one month`)
	told, _ = stream(t, n, "/v1/customers/alice/inbox?unread=true", seen)
	told(`NOTIFICATION_KIND_LARGE_PURCHASE`)
	leaveScore()
	leavePoints()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.Addresses().HTTP+"/v1/reports/spending", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusNotAcceptable {
		t.Errorf("an answer of all partitions: got %d, %v", resp.StatusCode, err)
	}
}
