package transactions

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/broker"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

func TestLG2ConcurrentDebitsStopAtTheFloor(t *testing.T) {
	i := newBank(t, 2).start()
	i.open("c1.main")
	i.posted(deposit("c1.main", "d", 100))
	var accepted, refused atomic.Int64
	var wg sync.WaitGroup
	for n := range 200 {
		wg.Go(func() {
			switch _, err := i.post(withdrawal("c1.main", fmt.Sprint("w", n), 1)); reasonOf(t, err) {
			case "":
				accepted.Add(1)
			case ReasonInsufficientFunds:
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if accepted.Load() != 100 || refused.Load() != 100 {
		t.Errorf("got %d accepted and %d refused, want 100 and 100", accepted.Load(), refused.Load())
	}
	if got := i.bank.balance("c1.main"); got != 0 {
		t.Errorf("balance: got %d, want 0", got)
	}
}

func TestLG5OverflowIsRefused(t *testing.T) {
	i := newBank(t, 1).start()
	i.open("c1.main")
	i.posted(deposit("c1.main", "most", math.MaxInt64-1))
	_, err := i.post(deposit("c1.main", "2", 2))
	if got := reasonOf(t, err); got != ReasonAmountOverflow {
		t.Errorf("account: got %q, want %s", got, ReasonAmountOverflow)
	}
	i.open("c2.main")
	i.posted(deposit("c2.main", "2", 2))
	_, err = i.post(deposit("c2.main", "1", 1))
	if got := reasonOf(t, err); got != ReasonAmountOverflow {
		t.Errorf("world: got %q, want %s", got, ReasonAmountOverflow)
	}
}

func TestLG6OtherCurrencyIsRefused(t *testing.T) {
	i := newBank(t, 2).start()
	i.open("c1.main")
	r := deposit("c1.main", "k", 1)
	r.Currency = "USD"
	_, err := i.post(r)
	if got := reasonOf(t, err); got != ReasonCurrencyMismatch {
		t.Errorf("got %q, want %s", got, ReasonCurrencyMismatch)
	}
}

// LG-9 as a table: what an account takes in each status.
func TestLG9FrozenAndClosed(t *testing.T) {
	i := newBank(t, 2).start()
	i.open("c1.main")
	freeze := func() error { _, err := i.FreezeAccount(t.Context(), freezeRequest("c1.main", i.key())); return err }
	unfreeze := func() error {
		_, err := i.UnfreezeAccount(t.Context(), unfreezeRequest("c1.main", i.key()))
		return err
	}
	end := func() error { _, err := i.CloseAccount(t.Context(), closeRequest("c1.main", i.key())); return err }
	credit := func() error { _, err := i.post(deposit("c1.main", i.key(), 10)); return err }
	debit := func() error { _, err := i.post(withdrawal("c1.main", i.key(), 10)); return err }
	for n, step := range []struct {
		do   func() error
		want string
	}{
		{credit, ""}, {freeze, ""}, {freeze, ReasonAccountFrozen}, {debit, ReasonAccountFrozen}, {credit, ""},
		{end, ReasonBalanceNotZero}, {unfreeze, ""}, {unfreeze, ReasonAccountNotFrozen}, {debit, ""}, {debit, ""}, {end, ""},
		{end, ReasonAccountClosed}, {credit, ReasonAccountClosed}, {debit, ReasonAccountClosed}, {freeze, ReasonAccountClosed},
		{unfreeze, ReasonAccountClosed},
	} {
		if got := reasonOf(t, step.do()); got != step.want {
			t.Errorf("step %d: got %q, want %q", n, got, step.want)
		}
	}
}

func TestStatusCommandsAreRepeatedToARetry(t *testing.T) {
	i := newBank(t, 1).start()
	i.open("c1.main")
	first, err := i.FreezeAccount(t.Context(), freezeRequest("c1.main", "f"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := i.FreezeAccount(t.Context(), freezeRequest("c1.main", "f"))
	if err != nil || first.GetReplayed() || !again.GetReplayed() || !proto.Equal(first.GetRecord(), again.GetRecord()) {
		t.Errorf("got %v, %v, want a replay of %v", again, err, first)
	}
	found, err := i.FindByKey(t.Context(), &bankv1.FindByKeyRequest{CustomerId: "c1", IdempotencyKey: "f"})
	if err != nil || !proto.Equal(found.GetFrozen().GetRecord(), first.GetRecord()) {
		t.Errorf("got %v, %v, want %v", found, err, first)
	}
	_, err = i.UnfreezeAccount(t.Context(), unfreezeRequest("c1.main", "f"))
	if got := reasonOf(t, err); got != ReasonKeyReused {
		t.Errorf("another command: got %q, want %s", got, ReasonKeyReused)
	}
}

func TestRejectionsAreRecorded(t *testing.T) {
	i := newBank(t, 2).start()
	_, err := i.post(deposit("c1.main", "k", 1))
	if got := reasonOf(t, err); got != ReasonAccountNotFound {
		t.Fatalf("got %q, want %s", got, ReasonAccountNotFound)
	}
	found := 0
	i.bank.read(func(rec *kgo.Record, f fact) {
		found++
		e, ok := f.(*event.CommandRejected)
		if !ok || e.Reason != ReasonAccountNotFound || e.Principal != "tester" || e.AccountID != "c1.main" || string(rec.Key) != "c1" {
			t.Errorf("got %q: %+v, want the rejection", rec.Key, f)
		}
	})
	if found != 1 {
		t.Errorf("records: got %d, want 1", found)
	}
}

// clock is a clock that is set by hand.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time { return time.UnixMicro(c.at.Load()) }

func TestLG19ClockJumps(t *testing.T) {
	var c clock
	c.at.Store(int64(noon))
	b := newBank(t, 1)
	i := b.start(func(cfg *journal.Config[*Command, Outcome]) { cfg.Clock = c.now })
	i.open("c1.main")
	hour := time.Hour.Microseconds()
	for n, jump := range []int64{0, -hour, -hour, +hour, +hour, +hour, -2 * hour, 0, 0} {
		c.at.Add(jump)
		i.posted(deposit("c1.main", fmt.Sprint("k", n), 1))
	}
	var last event.Micros
	b.read(func(_ *kgo.Record, f fact) {
		at := f.Envelop().RecordedAt
		if at <= last {
			t.Errorf("recorded at %d after %d", at, last)
		}
		last = at
	})
	// After the jumps back time goes on from the latest there was, one microsecond for each record.
	if want := noon + event.Micros(hour) + 3; last != want {
		t.Errorf("last record: got %d, want %d", last, want)
	}
}

func TestRecordSaysWhatWasAsked(t *testing.T) {
	i := newBank(t, 4).start()
	i.open("c1.main")
	r := dated()
	r.Merchant, r.Mcc, r.Category, r.Historical, r.CorrelationId = "Müller", "5411", "food", true, "corr"
	got := i.posted(r)
	e := got.GetEntry()
	if e.GetKind() != bankv1.EntryKind_ENTRY_KIND_DEPOSIT || e.GetMerchant() != "Müller" || e.GetMcc() != "5411" ||
		e.GetCategory() != "food" || !e.GetHistorical() || e.GetPrincipal() != "tester" ||
		!e.GetOccurredAt().AsTime().Equal(noon.Time()) {
		t.Errorf("entry: got %v", e)
	}
	rec := got.GetRecord()
	if rec.GetEventId() != event.ID("c1", "k") || rec.GetTopic() != topic.Transactions || rec.GetPartition() != topic.Of("c1", 4) {
		t.Errorf("record: got %v", rec)
	}
	token, err := position.Decode(rec.GetPosition())
	at := position.Partition{Topic: topic.Transactions, Partition: rec.GetPartition()}
	if err != nil || token.Positions[at] != rec.GetOffset()+1 {
		t.Errorf("token: got %v, %v, want offset %d", token, err, rec.GetOffset()+1)
	}
}

// A clock that jumps far ahead does not write a time from which nobody could come back.
func TestLG19FarFutureIsRefused(t *testing.T) {
	var c clock
	c.at.Store(time.Now().UnixMicro())
	embedded, err := broker.Open(t.Context(), broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { embedded.Close() })
	b := newBankOn(t, 1, cluster.Cluster{Seeds: []string{embedded.Addr()}, ClientID: "test"})
	i := b.start(func(cfg *journal.Config[*Command, Outcome]) { cfg.Clock = c.now })
	i.open("c1.main")
	c.at.Add((24 * time.Hour).Microseconds())
	if _, err := i.post(deposit("c1.main", "k", 1)); !errors.Is(err, journal.ErrUnavailable) {
		t.Errorf("a day ahead: got %v, want ErrUnavailable", err)
	}
	c.at.Add(-(24 * time.Hour).Microseconds())
	got := i.posted(deposit("c1.main", "k", 1)).GetRecord().GetRecordedAt().AsTime()
	if ahead := time.Until(got); ahead > time.Minute {
		t.Errorf("it was recorded %s ahead", ahead)
	}
}
