package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
)

func TestNotificationsInWords(t *testing.T) {
	at := timestamppb.New(time.Date(2026, 10, 31, 23, 59, 59, 0, time.UTC))
	var out bytes.Buffer
	err := (&cli{stdout: &out}).printInbox(&bankv1.ListInboxResponse{Unread: 3, NextPageToken: "x", Notifications: []*bankv1.Notification{
		{Id: "n1", Kind: bankv1.NotificationKind_NOTIFICATION_KIND_LARGE_PURCHASE, AccountId: "a.card", AmountMinor: -60_000, Currency: "EUR", OccurredAt: at, ReadAt: at},
		{Id: "n2", Kind: bankv1.NotificationKind_NOTIFICATION_KIND_LOW_BALANCE, AccountId: "a.main", BalanceMinor: -1, ThresholdMinor: 10_000, Currency: "JPY", OccurredAt: at},
		{Id: "n3", Kind: bankv1.NotificationKind_NOTIFICATION_KIND_PAYMENT_RETURNED, AccountId: "a.main", AmountMinor: 700, Currency: "EUR", OccurredAt: at},
		{Id: "n4", Kind: bankv1.NotificationKind_NOTIFICATION_KIND_OTHER, AccountId: "a.main", AmountMinor: 700, Currency: "EUR", OccurredAt: at},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := `ID  WHEN                  READ                  WHAT
n1  2026-10-31T23:59:59Z  2026-10-31T23:59:59Z  a purchase of 600.00 EUR with a.card
n2  2026-10-31T23:59:59Z  -                     a.main has -1 JPY left, less than 10000 JPY
n3  2026-10-31T23:59:59Z  -                     a payment of 7.00 EUR came back to a.main
n4  2026-10-31T23:59:59Z  -                     7.00 EUR moved on a.main
3 unread, and there are more than are shown
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// What a posting tells is in the inbox, over REST and on the command line, and is read once.
func TestInboxOfARunningBank(t *testing.T) {
	data := t.TempDir()
	p := up(t, data, "Data", "--partitions", "2")
	for _, c := range []struct{ path, key, body string }{
		{"/v1/accounts", "open", `{"account_id": "alice.card", "kind": "ACCOUNT_KIND_CARD", "currency": "EUR", "overdraft_limit_minor": 100000}`},
		{"/v1/entries", "buy", `{"account_id": "alice.card", "kind": "ENTRY_KIND_CARD_PURCHASE", "amount_minor": 60000, "currency": "EUR"}`},
	} {
		if status, body := p.post(c.path, c.key, c.body); status != 200 {
			t.Fatalf("%s: got %d %s", c.path, status, body)
		}
	}
	var list struct {
		Notifications []struct{ ID string }
		Unread        string
	}
	until(t, "the customer is told", func() bool {
		status, body := p.get("/v1/customers/alice/inbox?unread=true")
		if status == 404 {
			return false // nothing of the customer is folded yet
		}
		if err := json.Unmarshal([]byte(body), &list); status != 200 || err != nil {
			t.Fatalf("got %d %s: %v", status, body, err)
		}
		return len(list.Notifications) == 1 && list.Unread == "1"
	})
	id := list.Notifications[0].ID
	if status, body := p.post("/v1/customers/alice/inbox/"+id+":read", "any", `{}`); status != 200 || !strings.Contains(body, id) {
		t.Errorf("got %d %s", status, body)
	}
	until(t, "it is read", func() bool { return strings.Contains(well(t, data, "inbox", "list", "alice"), "0 unread") })
	if out := well(t, data, "inbox", "read", "alice", id); !strings.Contains(out, "was read at") {
		t.Errorf("again: got %s", out)
	}
	if out := well(t, data, "inbox", "list", "alice"); !strings.Contains(out, "a purchase of 600.00 EUR with alice.card") {
		t.Errorf("got %s", out)
	}
	if code, _, stderr := refold(t, data, "inbox", "list", "nobody"); code != exitUsage || !strings.Contains(stderr, "no customer nobody") {
		t.Errorf("got %d, %q", code, stderr)
	}
	if status, body := p.post("/v1/customers/alice/inbox/none:read", "any", `{}`); status != 404 || !strings.Contains(body, "NOTIFICATION_NOT_FOUND") {
		t.Errorf("got %d %s", status, body)
	}
	p.stop()
}
