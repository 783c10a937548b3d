package transactions

import (
	"encoding/hex"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

// changes change one field each of a PostEntry, by the name of the field, but refund_of, which only a refund has.
func changes() map[string]func(*bankv1.PostEntryRequest) {
	return map[string]func(*bankv1.PostEntryRequest){
		"account_id":     func(r *bankv1.PostEntryRequest) { r.AccountId = "c1.other" },
		"kind":           func(r *bankv1.PostEntryRequest) { r.Kind = bankv1.EntryKind_ENTRY_KIND_SALARY },
		"amount_minor":   func(r *bankv1.PostEntryRequest) { r.AmountMinor++ },
		"currency":       func(r *bankv1.PostEntryRequest) { r.Currency = "USD" },
		"occurred_at":    func(r *bankv1.PostEntryRequest) { r.OccurredAt = timestamppb.New((noon + 1).Time()) },
		"historical":     func(r *bankv1.PostEntryRequest) { r.Historical = true },
		"correlation_id": func(r *bankv1.PostEntryRequest) { r.CorrelationId = "x" },
		"merchant":       func(r *bankv1.PostEntryRequest) { r.Merchant = "x" },
		"mcc":            func(r *bankv1.PostEntryRequest) { r.Mcc = "1234" },
		"category":       func(r *bankv1.PostEntryRequest) { r.Category = "x" },
	}
}

func made(t testing.TB, r proto.Message) *Command {
	t.Helper()
	c, refusal := commandOf(r, "tester")
	if refusal != nil {
		t.Fatal(refusal)
	}
	return c
}

func dated() *bankv1.PostEntryRequest {
	r := deposit("c1.main", "k", 1)
	r.OccurredAt = timestamppb.New(noon.Time())
	return r
}

func TestDigestCoversEveryFieldButTheKey(t *testing.T) {
	first := made(t, dated()).hash
	again := dated()
	again.IdempotencyKey = "other"
	if got := made(t, again).hash; got != first {
		t.Error("another key: got another digest, want the same")
	}
	seen := map[event.CommandHash]string{first: "unchanged"}
	for name, change := range changes() {
		r := dated()
		change(r)
		hash := made(t, r).hash
		if other, taken := seen[hash]; taken {
			t.Errorf("%s: got the digest of %s, want another", name, other)
		}
		seen[hash] = name
	}
	fields := (&bankv1.PostEntryRequest{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if name := fields.Get(i).Name(); changes()[string(name)] == nil && name != "idempotency_key" && name != "refund_of" {
			t.Errorf("field %s is not covered by this test", name)
		}
	}
}

func TestRefundOfIsPartOfACommand(t *testing.T) {
	one, other := made(t, refund("p", 1)), made(t, refund("q", 1))
	if one.hash == other.hash {
		t.Error("got equal digests of refunds of two purchases")
	}
	posted := decide(seen(accounts{"c1.main": account(0, 0, 0)}).add(t, purchase("p", 1), ledger.Entry{}), one)
	one.complete(posted.Envelop(), ledger.Head{}, noon)
	if got := other.differs(posted); got != "refund_of" {
		t.Errorf("got %q, want refund_of", got)
	}
}

func TestDigestKeepsFieldsApart(t *testing.T) {
	a, b := dated(), dated()
	a.Merchant, a.Category = "ab", "c"
	b.Merchant, b.Category = "a", "bc"
	if made(t, a).hash == made(t, b).hash {
		t.Error("got equal digests, want different ones")
	}
}

// The digest is stored for ever: a retry of a command of long ago must still have it.
func TestDigestIsTheOneOfEver(t *testing.T) {
	hash := made(t, dated()).hash
	if got, want := hex.EncodeToString(hash[:]), "3bb50b7f5f5d4022adade3901075bb6a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDigestOfAnOpeningIsTheOneOfEver(t *testing.T) {
	hash := made(t, openRequest()).hash
	if got, want := hex.EncodeToString(hash[:]), "e341f2158790223c09626c2b02e0c226"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDifferentCommandIsNamed(t *testing.T) {
	r := dated()
	c := made(t, r)
	posted := decide(seen(accounts{"c1.main": account(0, 0, 0)}), c)
	c.complete(posted.Envelop(), ledger.Head{}, noon)
	for name, change := range changes() {
		other := dated()
		change(other)
		if got := made(t, other).differs(posted); got != name {
			t.Errorf("got %q, want %q", got, name)
		}
	}
	open, refusal := newOpenAccount(openRequest(), "tester")
	if refusal != nil {
		t.Fatal(refusal)
	}
	if got, want := open.differs(posted), "the command"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEventID(t *testing.T) {
	id := event.ID("c1", "k")
	if len(id) != 26 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		t.Errorf("got %q, want 26 characters of lower-case base32", id)
	}
	if event.ID("c1", "k") != id || event.ID("c", "1k") == id || event.ID("c2", "k") == id {
		t.Error("an event id must follow from customer and key, and from nothing else")
	}
}

// Every command of a batch is a command, and has a result and an answer to FindByKey for what it becomes.
func TestEveryCommandOfABatchIsKnown(t *testing.T) {
	command := (&bankv1.Command{}).ProtoReflect()
	fields := command.Descriptor().Oneofs().ByName("command").Fields()
	for n := range fields.Len() {
		m := &bankv1.Command{}
		r := m.ProtoReflect().NewField(fields.Get(n))
		m.ProtoReflect().Set(fields.Get(n), r)
		got := requestOf(m)
		if got == nil {
			t.Errorf("%s: there is no request", fields.Get(n).Name())
			continue
		}
		if _, refusal := commandOf(got, "tester"); refusal == nil || refusal.Detail == "command: must be set" {
			t.Errorf("%s: got %v, want it known and malformed", fields.Get(n).Name(), refusal)
		}
	}
	for name, empty := range facts() {
		o := Outcome{fact: empty()}
		if name == event.NameHoldExpired || name == event.NameTransferSettled {
			continue // nobody asks for it
		}
		result := &bankv1.Result{}
		o.put(result, "topic")
		if name != event.NameCommandRejected && result.GetOutcome() == nil || o.found("topic").GetOutcome() == nil {
			t.Errorf("%s: there is no answer", name)
		}
		if got, err := factNamed(name); err != nil || nameOf(got) != name {
			t.Errorf("%s: got %T, %v", name, got, err)
		}
	}
}
