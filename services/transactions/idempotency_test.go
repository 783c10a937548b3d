package transactions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/journal"
)

func TestID1SameKeySameBody(t *testing.T) {
	i := newBank(t, 2).start()
	i.open("c1.main")
	first := i.posted(deposit("c1.main", "k", 100))
	again := i.posted(deposit("c1.main", "k", 100))
	if first.GetReplayed() || !again.GetReplayed() {
		t.Errorf("replayed: got %v then %v, want false then true", first.GetReplayed(), again.GetReplayed())
	}
	if !same(first, again) {
		t.Errorf("got %v, want %v", again, first)
	}
	if got := i.bank.balance("c1.main"); got != 100 {
		t.Errorf("balance: got %d, want 100", got)
	}
}

// A replay that comes from the saved rows is the one that came from memory.
func TestID1AnswerIsTheSameAfterARestart(t *testing.T) {
	b := newBank(t, 2)
	i := b.start()
	i.open("c1.main")
	first := i.posted(deposit("c1.main", "k", 100))
	i.stop()
	again := b.start().posted(deposit("c1.main", "k", 100))
	if !again.GetReplayed() || !same(first, again) {
		t.Errorf("got %v, want %v", again, first)
	}
}

func TestID2SameKeyOtherBody(t *testing.T) {
	i := newBank(t, 2).start()
	i.open("c1.main")
	i.open("c1.other")
	i.posted(dated())
	for name, change := range changes() {
		r := dated()
		change(r)
		_, err := i.post(r)
		if got := reasonOf(t, err); got != ReasonKeyReused {
			t.Errorf("%s: got %q, want %s", name, got, ReasonKeyReused)
		}
		if err == nil || !strings.Contains(err.Error(), name+" differs") {
			t.Errorf("got %q, want it to name %s", err, name)
		}
	}
	if got := i.bank.recordsOf("k"); got != 1 {
		t.Errorf("records: got %d, want 1", got)
	}
}

func TestID3ConcurrentRequests(t *testing.T) {
	i := newBank(t, 2).start()
	i.open("c1.main")
	answers := make([]*bankv1.PostEntryResponse, 50)
	var wg sync.WaitGroup
	for n := range answers {
		wg.Go(func() { answers[n] = i.posted(deposit("c1.main", "k", 1)) })
	}
	wg.Wait()
	first := 0
	for _, a := range answers {
		if !a.GetReplayed() {
			first++
		}
		if !same(a, answers[0]) {
			t.Errorf("got %v, want %v", a, answers[0])
		}
	}
	if first != 1 {
		t.Errorf("answers that are no replay: got %d, want 1", first)
	}
	if got := i.bank.recordsOf("k"); got != 1 {
		t.Errorf("records: got %d, want 1", got)
	}
}

func TestID4RejectionIsForEver(t *testing.T) {
	i := newBank(t, 2).start()
	i.open("c1.main")
	_, err := i.post(withdrawal("c1.main", "k", 10))
	if got := reasonOf(t, err); got != ReasonInsufficientFunds {
		t.Fatalf("got %q, want %s", got, ReasonInsufficientFunds)
	}
	i.posted(deposit("c1.main", "d", 100))
	_, again := i.post(withdrawal("c1.main", "k", 10))
	var first, second *Refusal
	if !errors.As(err, &first) || !errors.As(again, &second) {
		t.Fatalf("got %v and %v, want refusals", err, again)
	}
	if !second.Replayed || first.Replayed || second.Detail != first.Detail || !proto.Equal(first.Record, second.Record) {
		t.Errorf("got %+v, want %+v", second, first)
	}
	if _, err := i.post(withdrawal("c1.main", "k2", 10)); err != nil {
		t.Errorf("another key: got %v, want success", err)
	}
}

func TestID5MalformedDoesNotSpendTheKey(t *testing.T) {
	i := newBank(t, 2).start()
	i.open("c1.main")
	_, err := i.post(deposit("c1.main", "k", 0))
	if got := reasonOf(t, err); got != ReasonMalformed {
		t.Errorf("got %q, want %s", got, ReasonMalformed)
	}
	if got := i.bank.recordsOf("k"); got != 0 {
		t.Errorf("records: got %d, want 0", got)
	}
	if got := i.posted(deposit("c1.main", "k", 1)); got.GetReplayed() {
		t.Error("got a replay, want a first answer")
	}
}

func TestID10SameKeyOfTwoCustomers(t *testing.T) {
	i := newBank(t, 2).start()
	for _, account := range []string{"c1.main", "c2.main"} {
		i.open(account)
		if got := i.posted(deposit(account, "k", 5)); got.GetReplayed() || got.GetEntry().GetLegs()[0].GetAccountId() != account {
			t.Errorf("got %v, want a first answer of %s", got, account)
		}
	}
	if got := i.bank.recordsOf("k"); got != 2 {
		t.Errorf("records: got %d, want 2", got)
	}
}

// Two accounts of one customer share the customer's keys.
func TestID10SameKeyOfTwoAccounts(t *testing.T) {
	i := newBank(t, 2).start()
	i.open("c1.main")
	i.open("c1.other")
	i.posted(deposit("c1.main", "k", 5))
	_, err := i.post(deposit("c1.other", "k", 5))
	if got := reasonOf(t, err); got != ReasonKeyReused {
		t.Errorf("got %q, want %s", got, ReasonKeyReused)
	}
}

// ID-12: a key never expires.
func TestID12KeyOfLastYear(t *testing.T) {
	var c clock
	c.at.Store(int64(noon))
	b := newBank(t, 1)
	i := b.start(func(cfg *journal.Config[*Command, Outcome]) { cfg.Clock = c.now })
	i.open("c1.main")
	first := i.posted(deposit("c1.main", "k", 5))
	c.at.Add((400 * 24 * time.Hour).Microseconds())
	i.posted(deposit("c1.main", "later", 1))
	if again := i.posted(deposit("c1.main", "k", 5)); !again.GetReplayed() || !same(first, again) {
		t.Errorf("got %v, want %v", again, first)
	}
	if got := b.balance("c1.main"); got != 6 {
		t.Errorf("balance: got %d, want 6", got)
	}
}

func TestID13CallerThatGoesAway(t *testing.T) {
	i := newBank(t, 2).start()
	i.open("c1.main")
	var wg sync.WaitGroup
	for n := range 100 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			_, err := i.PostEntry(ctx, deposit("c1.main", fmt.Sprint("k", n), 1))
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// Whether it was decided or not: asked again, it is, once.
	for n := range 100 {
		i.posted(deposit("c1.main", fmt.Sprint("k", n), 1))
	}
	if got := i.bank.balance("c1.main"); got != 100 {
		t.Errorf("balance: got %d, want 100", got)
	}
}

func TestFindByKey(t *testing.T) {
	b := newBank(t, 2)
	i := b.start()
	i.open("c1.main")
	posted := i.posted(deposit("c1.main", "k", 5))
	_, err := i.post(withdrawal("c1.main", "no", 6))
	var rejected *Refusal
	if !errors.As(err, &rejected) {
		t.Fatalf("got %v, want a refusal", err)
	}
	find := func(key string) (*bankv1.FindByKeyResponse, error) {
		return i.FindByKey(t.Context(), &bankv1.FindByKeyRequest{CustomerId: "c1", IdempotencyKey: key})
	}
	got, err := find("k")
	if err != nil || !same(got.GetPosted(), posted) {
		t.Errorf("got %v, %v, want %v", got, err, posted)
	}
	if got, err = find("open-c1.main"); err != nil || got.GetOpened().GetAccountId() != "c1.main" {
		t.Errorf("got %v, %v, want the opening of c1.main", got, err)
	}
	if got, err = find("no"); err != nil || !proto.Equal(got.GetRejected(), rejected.rejection()) {
		t.Errorf("got %v, %v, want %v", got, err, rejected)
	}
	_, err = find("never")
	if got := reasonOf(t, err); got != ReasonKeyNotFound {
		t.Errorf("got %q, want %s", got, ReasonKeyNotFound)
	}
	i.stop() // and nobody is the owner, who alone may say that nothing is recorded
	if _, err = find("never"); !errors.Is(err, journal.ErrNotOwner) {
		t.Errorf("got %v, want %v", err, journal.ErrNotOwner)
	}
}
