package event_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/avro"

	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/schemas/registry"
)

var release = flag.Bool("release", false, "publish the schemas that changed, each with a sample record")

// samples returns one event of every name with every field set to something of its own.
func samples() map[string]any {
	at := event.MicrosOf(time.Date(2024, 2, 29, 12, 30, 0, 123456000, time.UTC))
	envelope := event.Envelope{
		EventID: "evt", PartitionSeq: 3, RecordedAt: at, PrevHash: event.Hash{1, 2, 255}, CustomerID: "alice",
		IdempotencyKey: "key", CommandHash: event.CommandHash{9, 254}, Principal: "who", CorrelationID: "cor",
		CausationID: "cau", Historical: true, OccurredAt: at - 1,
	}
	return map[string]any{
		event.NameAccountOpened:   &event.AccountOpened{Envelope: envelope, AccountID: "alice.main", Kind: event.AccountSavings, Currency: "EUR", OverdraftLimitMinor: 5000, DailyLimitMinor: 900, TimeZone: "Europe/Paris"},
		event.NameAccountFrozen:   &event.AccountFrozen{Envelope: envelope, AccountID: "alice.main", Reason: "stolen"},
		event.NameAccountUnfrozen: &event.AccountUnfrozen{Envelope: envelope, AccountID: "alice.main", Reason: "found"},
		event.NameAccountClosed:   &event.AccountClosed{Envelope: envelope, AccountID: "alice.main", Reason: "moved"},
		event.NameHoldPlaced: &event.HoldPlaced{
			Envelope: envelope, AccountID: "alice.main", AmountMinor: 8000, Currency: "EUR", ExpiresAt: at,
			Merchant: "a hotel", MCC: "7011", Category: "travel", LimitDay: 19782,
		},
		event.NameHoldReleased: &event.HoldReleased{Envelope: envelope, AccountID: "alice.main", HoldID: "evt1", AmountMinor: 8000, ExpiresAt: at},
		event.NameHoldExpired:  &event.HoldExpired{Envelope: envelope, AccountID: "alice.main", HoldID: "evt1", AmountMinor: 8000, ExpiresAt: at},
		event.NameEntryPosted: &event.EntryPosted{
			Envelope: envelope, Kind: event.EntryRefund,
			Legs: []event.Leg{
				{AccountID: "alice.main", AmountMinor: 1 << 62, Currency: "EUR", BalanceAfterMinor: -7, AccountSeq: 2, LimitDay: 19782},
				{AccountID: "@world.0.EUR", AmountMinor: -1 << 62, Currency: "EUR", BalanceAfterMinor: 7, AccountSeq: 9},
			},
			Merchant: "Zoë's café", MCC: "5812", Category: "food", RefundOf: "evt0",
			HoldID: "evt1", HoldAmountMinor: 1 << 40, HoldExpiresAt: at, Reverses: "evt2", ReversesKind: event.EntryFee,
			Counterparty: "bob.main", TransferID: "evt3", SentAt: at - 2, ReturnReason: "ACCOUNT_CLOSED", InboxNext: 77,
		},
		event.NameCommandRejected: &event.CommandRejected{Envelope: envelope, Command: "PostEntry", AccountID: "alice.main", Reason: "INSUFFICIENT_FUNDS", Detail: "no", Content: []byte{9, 0, 255}, InboxNext: 78},
		event.NameTransferSettled: &event.TransferSettled{
			Envelope: envelope, AccountID: "alice.main", TransferID: "evt3", Counterparty: "bob.main", AmountMinor: 1 << 41,
			Currency: "EUR", SentAt: at - 2, InboxNext: 79,
		},
		event.NameNotificationRequested: &event.NotificationRequested{
			Effect: event.Effect{
				EffectID: "eff", Projection: "alerts", SourceTopic: "bank.transactions", SourcePartition: 7, SourceOffset: 1 << 42,
				CustomerID: "alice", Principal: "who", CorrelationID: "cor", CausationID: "evt", OccurredAt: at,
			},
			Kind: event.NotifyLowBalance, AccountID: "alice.main", AmountMinor: -1 << 40, BalanceMinor: -9, ThresholdMinor: 10_000, Currency: "EUR",
			Category: "groceries",
		},
		event.NameNotificationRead: &event.NotificationRead{
			EventID: "evt", RecordedAt: at, CustomerID: "alice", Principal: "who", CorrelationID: "cor", NotificationID: "eff", NotifiedAt: at - 1,
		},
		event.NamePreferencesSet: &event.PreferencesSet{
			EventID: "evt", RecordedAt: at, CustomerID: "alice", CommandHash: event.CommandHash{9, 254}, Principal: "who", CorrelationID: "cor",
			Revision: 7, TimeZone: "Europe/Paris", Rules: []event.AlertRule{{Kind: event.AlertLowBalance, Off: true, Limit: 1 << 40}, {Kind: event.AlertScoreChange}},
		},
		event.NameRewardRedemptionRequested: &event.RewardRedemptionRequested{Envelope: envelope, AccountID: "alice.main", Points: 1 << 42},
		event.NameTransferRelayed:           &event.TransferRelayed{TransferID: "evt3", FromAccountID: "alice.main", ToAccountID: "bob.main", Offset: 1 << 33, RelayedAt: at},
		event.NameRoundEnded: &event.RoundEnded{
			Projection: "alerts", Partition: 3,
			Begin: []event.SourceOffset{{Topic: "bank.transactions", Offset: 1 << 40}, {Topic: "bank.profiles", Offset: 7}},
			End:   []event.SourceOffset{{Topic: "bank.transactions", Offset: 1<<40 + 9}, {Topic: "bank.profiles", Offset: 8}},
		},
		event.NameActRecorded: &event.ActRecorded{
			ActID: "act", RecordedAt: at, Principal: "who", Reason: "why", Kind: event.ActGenerationVerified, Projection: "spending",
			Generation: 2, ExpectedLive: 1, Version: 1, Hash: "h", Forced: true, Rows: 10, Differences: 1, Digest: "d",
			Positions: []event.TopicPosition{{Topic: "bank.transactions", Partition: 3, Offset: 1 << 40}},
			Build:     "v1", Plan: "p", Snapshot: "s", Keys: []string{"alice"}, TouchedBy: "bank.EntryPosted", MaxRate: 5,
			Buckets: []event.BucketDigest{{Partition: 3, Bucket: 7, Digest: "b"}}, Effects: []string{"eff"}, Row: "616c696365",
		},
	}
}

func TestSamplesLeaveNoFieldEmpty(t *testing.T) {
	for name, sample := range samples() {
		v := reflect.ValueOf(sample).Elem()
		for _, f := range reflect.VisibleFields(v.Type()) {
			if !f.Anonymous && v.FieldByIndex(f.Index).IsZero() {
				t.Errorf("%s: field %s has no sample", name, f.Name)
			}
		}
	}
}

// The library that writes events is checked by another that knows nothing of it, in both directions.
func TestAnotherLibraryAgrees(t *testing.T) {
	for _, name := range event.Names() {
		sample := samples()[name]
		ours, err := avro.MustParse(event.Schema(name)).Encode(sample)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		other, err := goavro.NewCodec(event.Schema(name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		native, rest, err := other.NativeFromBinary(ours)
		if err != nil || len(rest) != 0 {
			t.Fatalf("%s: %d bytes left over, %v", name, len(rest), err)
		}
		theirs, err := other.BinaryFromNative(nil, native)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(ours, theirs) {
			t.Errorf("%s:\n got %x\nwant %x", name, ours, theirs)
		}
	}
}

func TestNoPersonalFields(t *testing.T) {
	for _, name := range event.Names() {
		if err := registry.CheckPersonal(event.Schema(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every schema ever published is kept with a sample record, the last one is the present one, and every
// sample is read by the present schema, with the fields that its writer did not know at their defaults.
func TestPublished(t *testing.T) {
	for _, name := range event.Names() {
		present := avro.MustParse(event.Schema(name))
		dir := filepath.Join("published", name)
		files, err := filepath.Glob(filepath.Join(dir, "*.avsc"))
		if err != nil {
			t.Fatal(err)
		}
		last := readSchema(t, dir, len(files))
		if last == nil || !bytes.Equal(last.Canonical(), present.Canonical()) {
			if !*release {
				t.Errorf("%s is not published as it is: run this test with -release", name)
				continue
			}
			publish(t, dir, len(files)+1, name)
		}
		for n := 1; n <= len(files); n++ {
			readSample(t, dir, n, name, present)
		}
	}
}

func readSchema(t *testing.T, dir string, n int) *avro.Schema {
	t.Helper()
	if n == 0 {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.avsc", n)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := avro.Parse(string(b))
	if err != nil {
		t.Fatalf("%s version %d: %v", dir, n, err)
	}
	return s
}

func readSample(t *testing.T, dir string, n int, name string, present *avro.Schema) {
	t.Helper()
	published := readSchema(t, dir, n)
	for _, pair := range [][2]*avro.Schema{{published, present}, {present, published}} {
		if err := avro.CheckCompatibility(pair[0], pair[1]); err != nil {
			t.Errorf("%s version %d: %v", name, n, err)
		}
	}
	sample, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.bin", n)))
	if err != nil {
		t.Fatal(err)
	}
	resolved, err := avro.Resolve(published, present)
	if err != nil {
		t.Fatal(err)
	}
	got := reflect.New(reflect.TypeOf(samples()[name]).Elem()).Interface()
	if rest, err := resolved.Decode(sample, got); err != nil || len(rest) != 0 {
		t.Fatalf("%s version %d: %d bytes left over, %v", name, n, len(rest), err)
	}
	if again, err := published.Encode(got); err != nil || !bytes.Equal(again, sample) {
		t.Errorf("%s version %d: got %x, %v, want %x", name, n, again, err, sample)
	}
}

func publish(t *testing.T, dir string, n int, name string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	sample, err := avro.MustParse(event.Schema(name)).Encode(samples()[name])
	if err != nil {
		t.Fatal(err)
	}
	for file, b := range map[string][]byte{fmt.Sprintf("%d.avsc", n): []byte(event.Schema(name)), fmt.Sprintf("%d.bin", n): sample} {
		if err := os.WriteFile(filepath.Join(dir, file), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
