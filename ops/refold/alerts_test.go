package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/topic"
)

// teller posts to a running bank, and works out beside it, with nothing of the bank's, how many alerts that sets off.
type teller struct {
	t       *testing.T
	data    string
	bank    bankv1.TransactionsServiceClient
	inbox   bankv1.InboxServiceClient
	wishes  bankv1.ProfilesServiceClient
	keys    int
	balance map[string]int64
	lowDay  map[string]int
	limits  map[string]map[string]int64 // what each customer has set of each kind: a limit, or off
	spent   map[string][]int64          // on one category, by customer and month
	last    map[string]string           // position of the last record of each customer
	want    map[string]int              // alerts by kind
	unread  map[string]int64            // alerts by customer
}

func (b *teller) key() string {
	b.keys++
	return fmt.Sprint("k", b.keys)
}

// off is a limit that nothing comes to.
const off = math.MaxInt64

// limit returns the limit of a kind for who has an account, the bank's own where they have set none.
func (b *teller) limit(account, kind string, own int64) int64 {
	customer, _, _ := strings.Cut(account, ".")
	if limit, ok := b.limits[customer][kind]; ok {
		return limit
	}
	return own
}

func (b *teller) tell(kind, account string) {
	customer, _, _ := strings.Cut(account, ".")
	if b.limit(account, kind, 0) == off {
		return
	}
	b.want[kind]++
	b.unread[customer]++
}

// recorded notes where a record of a customer stands.
func (b *teller) recorded(account string, r *bankv1.Record, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	customer, _, _ := strings.Cut(account, ".")
	b.last[customer] = r.GetPosition()
}

func (b *teller) open(account string, kind bankv1.AccountKind) {
	b.t.Helper()
	got, err := b.bank.OpenAccount(b.t.Context(), &bankv1.OpenAccountRequest{
		IdempotencyKey: b.key(), AccountId: account, Kind: kind, Currency: "EUR", OverdraftLimitMinor: 1_000_000_000_000,
	})
	b.recorded(account, got.GetRecord(), err)
}

// moved works out what a change of a balance tells, on a day of 2024.
func (b *teller) moved(account string, minor int64, day int) {
	before := b.balance[account]
	b.balance[account] += minor
	low := b.limit(account, "LOW_BALANCE", 100_00)
	if strings.HasSuffix(account, ".main") && low != off && before >= low && before+minor < low && day > b.lowDay[account] {
		b.lowDay[account] = day
		b.tell("LOW_BALANCE", account)
	}
}

func onDay(day int) *timestamppb.Timestamp {
	return timestamppb.New(time.Date(2024, 1, day, 12, 0, 0, 0, time.UTC))
}

func (b *teller) post(account string, kind bankv1.EntryKind, minor int64, day int) {
	b.t.Helper()
	got, err := b.bank.PostEntry(b.t.Context(), &bankv1.PostEntryRequest{
		IdempotencyKey: b.key(), AccountId: account, Kind: kind, AmountMinor: minor, Currency: "EUR", OccurredAt: onDay(day),
	})
	b.recorded(account, got.GetRecord(), err)
	if kind == bankv1.EntryKind_ENTRY_KIND_DEPOSIT {
		b.moved(account, minor, day)
		return
	}
	if kind == bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE && minor >= b.limit(account, "LARGE_PURCHASE", 500_00) {
		b.tell("LARGE_PURCHASE", account)
	}
	b.moved(account, -minor, day)
}

// wants sets what a customer wants to be told, and waits until the alerts go by it.
func (b *teller) wants(customer string, rules ...*bankv1.AlertRule) {
	b.t.Helper()
	if _, err := b.wishes.SetPreferences(b.t.Context(), &bankv1.SetPreferencesRequest{IdempotencyKey: b.key(), CustomerId: customer, Rules: rules}); err != nil {
		b.t.Fatal(err)
	}
	b.limits[customer] = make(map[string]int64)
	for _, r := range rules {
		kind := strings.TrimPrefix(r.GetKind().String(), "ALERT_KIND_")
		if b.limits[customer][kind] = r.GetLimit(); r.GetOff() {
			b.limits[customer][kind] = off
		}
	}
	until(b.t, "the alerts know of it", func() bool {
		return strings.Contains(well(b.t, b.data, "why", "alerts", customer, "--json"), fmt.Sprintf(`\"Limit\":%d`, rules[0].GetLimit()))
	})
}

// buy spends on groceries with a card, in a month of 2023, and works out whether that is unusual.
func (b *teller) buy(account string, minor int64, month int) {
	b.t.Helper()
	got, err := b.bank.PostEntry(b.t.Context(), &bankv1.PostEntryRequest{
		IdempotencyKey: b.key(), AccountId: account, Kind: bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, AmountMinor: minor, Currency: "EUR", Mcc: "5411",
		OccurredAt: timestamppb.New(time.Date(2023, time.Month(month), 9, 12, 0, 0, 0, time.UTC)),
	})
	b.recorded(account, got.GetRecord(), err)
	if minor >= b.limit(account, "LARGE_PURCHASE", 500_00) {
		b.tell("LARGE_PURCHASE", account)
	}
	customer, _, _ := strings.Cut(account, ".")
	for len(b.spent[customer]) < month {
		b.spent[customer] = append(b.spent[customer], 0)
	}
	months := b.spent[customer]
	before := months[month-1]
	months[month-1] += minor
	ended := months[max(0, month-7) : month-1]
	if len(ended) < 3 {
		return
	}
	var sum int64
	for _, m := range ended {
		sum += m
	}
	limit := max(sum/int64(len(ended))*b.limit(account, "UNUSUAL_SPENDING", 200)/100, 100_00)
	if before <= limit && before+minor > limit {
		b.tell("UNUSUAL_SPENDING", account)
	}
}

// abroad opens an account in another currency and pays from it.
func (b *teller) abroad(customer string) {
	b.t.Helper()
	account := customer + ".yen"
	opened, err := b.bank.OpenAccount(b.t.Context(), &bankv1.OpenAccountRequest{
		IdempotencyKey: b.key(), AccountId: account, Kind: bankv1.AccountKind_ACCOUNT_KIND_CARD, Currency: "JPY", OverdraftLimitMinor: 1_000_000,
	})
	b.recorded(account, opened.GetRecord(), err)
	got, err := b.bank.PostEntry(b.t.Context(), &bankv1.PostEntryRequest{
		IdempotencyKey: b.key(), AccountId: account, Kind: bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, AmountMinor: 700, Currency: "JPY", OccurredAt: onDay(1),
	})
	b.recorded(account, got.GetRecord(), err)
	b.tell("FOREIGN_CURRENCY", account)
}

// bounce sends money to an account of another partition that is not there, and waits until it is back.
func (b *teller) bounce(account string, minor int64, day int) {
	b.t.Helper()
	customer, _, _ := strings.Cut(account, ".")
	nobody := "nobody"
	for topic.Of(nobody, 2) == topic.Of(customer, 2) {
		nobody += "-"
	}
	sent, err := b.bank.Transfer(b.t.Context(), &bankv1.TransferRequest{
		IdempotencyKey: b.key(), AccountId: account, ToAccountId: nobody + ".main", AmountMinor: minor, Currency: "EUR", OccurredAt: onDay(day),
	})
	b.recorded(account, sent.GetRecord(), err)
	b.moved(account, -minor, day)
	until(b.t, "the transfer is returned", func() bool {
		got, err := b.bank.GetTransfer(b.t.Context(), &bankv1.GetTransferRequest{AccountId: account, TransferId: sent.GetTransferId()})
		return err == nil && got.GetTransfer().GetState() == bankv1.TransferState_TRANSFER_STATE_RETURNED
	})
	b.tell("PAYMENT_RETURNED", account)
	b.moved(account, minor, day)
	// The record after the return: who waits for its position has seen the return as well.
	b.post(account, bankv1.EntryKind_ENTRY_KIND_DEPOSIT, 1, day)
}

// agree waits until everything posted was folded, and compares what was published, and what is in the inboxes, with
// what was worked out.
func (b *teller) agree(when string) {
	b.t.Helper()
	for customer, at := range b.last {
		err := caughtUp(b.t.Context(), func(ctx context.Context) error {
			got, err := b.inbox.ListInbox(ctx, &bankv1.ListInboxRequest{CustomerId: customer, MinPosition: at})
			if err == nil && got.GetUnread() != b.unread[customer] {
				b.t.Errorf("%s: %s has %d notifications, want %d", when, customer, got.GetUnread(), b.unread[customer])
			}
			return err
		})
		if err != nil {
			b.t.Fatalf("%s: %v", when, err)
		}
	}
	got := make(map[string]int)
	for line := range strings.Lines(well(b.t, b.data, "tail", topic.Notifications, "--from", "beginning")) {
		_, rest, _ := strings.Cut(line, `"kind":"`)
		kind, _, _ := strings.Cut(rest, `"`)
		got[kind]++
	}
	if !maps.Equal(got, b.want) {
		b.t.Errorf("%s: got %v, want %v", when, got, b.want)
	}
}

func from(kind bankv1.AlertKind, limit int64) *bankv1.AlertRule {
	return &bankv1.AlertRule{Kind: kind, Limit: limit}
}

// Postings that set off every rule tell each customer what a plain computation says, once, and three replays of the
// alerts that are each made live tell nothing again, while what is posted in between is told.
func TestAlertsAreAsComputedWhateverIsReplayed(t *testing.T) {
	b := &teller{
		t: t, data: t.TempDir(), balance: make(map[string]int64), lowDay: make(map[string]int),
		last: make(map[string]string), want: make(map[string]int), unread: make(map[string]int64),
		limits: make(map[string]map[string]int64), spent: make(map[string][]int64),
	}
	p := up(t, b.data, "Data", "--partitions", "2")
	conn, err := (&cli{server: p.GRPC}).dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b.bank, b.inbox = bankv1.NewTransactionsServiceClient(conn), bankv1.NewInboxServiceClient(conn)
	b.wishes = bankv1.NewProfilesServiceClient(conn)
	random := rand.New(rand.NewPCG(7, 11))
	for n := range 4 {
		account, card := fmt.Sprintf("c%d.main", n), fmt.Sprintf("c%d.card", n)
		b.open(account, bankv1.AccountKind_ACCOUNT_KIND_CURRENT)
		b.open(card, bankv1.AccountKind_ACCOUNT_KIND_CARD)
		if n%2 == 1 {
			b.wants(fmt.Sprint("c", n), from(bankv1.AlertKind_ALERT_KIND_LARGE_PURCHASE, 480_00), from(bankv1.AlertKind_ALERT_KIND_LOW_BALANCE, 200_00), from(bankv1.AlertKind_ALERT_KIND_UNUSUAL_SPENDING, 150))
		}
		for month := range 12 {
			b.buy(card, 100_00+random.Int64N(100_00), 1+month)
			b.buy(card, 1+random.Int64N(300_00), 1+month)
			if month%4 == 3 {
				b.buy(card, 400_00+random.Int64N(400_00), 1+month)
			}
		}
		b.abroad(fmt.Sprint("c", n))
		for range 40 {
			day := 1 + random.IntN(20)
			b.post(account, bankv1.EntryKind_ENTRY_KIND_DEPOSIT, 1+random.Int64N(300_00), day)
			b.post(account, bankv1.EntryKind_ENTRY_KIND_WITHDRAWAL, 1+random.Int64N(250_00), day)
			b.post(card, bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, 490_00+random.Int64N(20_00), day)
		}
		b.bounce(account, 1+random.Int64N(100_00), 20)
	}
	for _, kind := range []string{"LARGE_PURCHASE", "LOW_BALANCE", "PAYMENT_RETURNED", "FOREIGN_CURRENCY", "UNUSUAL_SPENDING"} {
		if b.want[kind] == 0 {
			t.Errorf("nothing sets off %s: the test shows nothing", kind)
		}
	}
	b.agree("live")
	for replay := range 3 {
		well(t, b.data, "replay", "alerts", "--from", "beginning")
		well(t, b.data, "promote", "alerts")
		b.agree(fmt.Sprint("after replay ", replay+1))
		b.post("c0.card", bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, 700_00, 21+replay)
		b.agree(fmt.Sprint("after what came behind replay ", replay+1))
		b.wants("c0", from(bankv1.AlertKind_ALERT_KIND_LARGE_PURCHASE, 690_00+int64(replay)), &bankv1.AlertRule{Kind: bankv1.AlertKind_ALERT_KIND_LOW_BALANCE, Off: true})
		b.post("c0.card", bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, 689_99, 21+replay)
		b.post("c0.card", bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, 690_00+int64(replay), 21+replay)
		b.post("c0.main", bankv1.EntryKind_ENTRY_KIND_DEPOSIT, 1_000_00, 22+replay)
		b.post("c0.main", bankv1.EntryKind_ENTRY_KIND_WITHDRAWAL, b.balance["c0.main"], 22+replay)
		b.agree(fmt.Sprint("after other preferences ", replay+1))
	}
	t.Logf("%v alerts", b.want)
	p.stop()
}
