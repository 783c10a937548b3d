package transactions

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/transactions/model"
	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/topic"
)

func TestModelAcceptsAGoodLog(t *testing.T) {
	c := goodLog(t)
	c.write(kgo.TransactionalID("copy"))
	got, want := c.bank.modelled(), model.Report{Records: 25, Accepted: 24, Rejected: 1, Problems: []model.Problem{}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestModelCountsRejectionsWithoutTheirCommand(t *testing.T) {
	c := goodLog(t)
	c.change("c1", "no", func(f fact) { f.(*event.CommandRejected).Content = nil })
	c.write(kgo.TransactionalID("copy"))
	if got := c.bank.modelled(); got.NotCompared != 1 || got.Rejected != 0 || got.Found != 0 {
		t.Errorf("got %+v, want one that was not compared", got)
	}
}

// asks changes what a rejection says was asked for, and its digest with it.
func asks(how func(*model.Command)) func(fact) {
	return func(f fact) {
		e := f.(*event.CommandRejected)
		command, err := model.Parse(e.Content)
		if err != nil {
			panic(err)
		}
		how(&command)
		e.Content, e.CommandHash = command.Content(), command.Digest()
	}
}

func TestModelNamesWhatIsWrong(t *testing.T) {
	for name, x := range map[string]struct {
		customer, key string
		spoil         func(fact)
		want          string
	}{
		"what was asked": {"c1", "w1", entry(func(e *event.EntryPosted) { e.Merchant = "x" }), "is not what a command of its digest asks for"},
		"a balance": {
			"c1", "w1", entry(func(e *event.EntryPosted) { e.Legs[0].BalanceAfterMinor++ }),
			"70 2 0}", // which is to be
		},
		"a limit":      {"c1", "w1", entry(func(e *event.EntryPosted) { e.Legs[0].LimitDay = 1 }), "which is to be"},
		"a sum":        {"c1", "w1", entry(func(e *event.EntryPosted) { e.Legs[0].BalanceAfterMinor++ }), "leaves all accounts of the partition together with 1 EUR"},
		"a floor":      {"c1", "w1", entry(func(e *event.EntryPosted) { e.Legs[0].BalanceAfterMinor = -1 }), "leaves account c1.main below its floor"},
		"a number":     {"c1", "w1", func(f fact) { f.Envelop().PartitionSeq++ }, "is number 4 of its partition, after number 2"},
		"a time":       {"c1", "w1", func(f fact) { f.Envelop().RecordedAt = 1 }, "not after the one before it"},
		"a key":        {"c1", "w1", func(f fact) { f.Envelop().IdempotencyKey = "d1" }, "uses a key that offset 1 has used"},
		"a reason":     {"c1", "no", func(f fact) { f.(*event.CommandRejected).Reason = ReasonAccountFrozen }, "rejects PostEntry with ACCOUNT_FROZEN, not with INSUFFICIENT_FUNDS"},
		"a rejection":  {"c1", "no", asks(func(c *model.Command) { c.Amount = 75 }), "rejects PostEntry with INSUFFICIENT_FUNDS, which is to be accepted"},
		"another name": {"c1", "no", func(f fact) { f.(*event.CommandRejected).AccountID = "c1.x" }, "says that it is PostEntry of account c1.x"},
		"its command":  {"c1", "no", func(f fact) { f.(*event.CommandRejected).Content[0]++ }, "does not hold the command that it rejects"},
		"an acceptance": {
			"c1", "open-c1.main", func(f fact) { f.(*event.AccountOpened).OverdraftLimitMinor = -71 },
			"accepts PostEntry of account c1.main, which is to be rejected with INSUFFICIENT_FUNDS",
		},
		"a hold": {
			"c4", "hold-1", func(f fact) { f.(*event.HoldPlaced).ExpiresAt = f.Envelop().RecordedAt + 1 },
			"of account c4.main was open past its time",
		},
		"a reversal": {"c4", "back-two", entry(func(e *event.EntryPosted) { e.Reverses = "x" }), "which is to be rejected with ENTRY_NOT_FOUND"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := goodLog(t)
			c.change(x.customer, x.key, x.spoil)
			c.write(kgo.TransactionalID("copy"))
			if got := fmt.Sprint(c.bank.modelled().Problems); !strings.Contains(got, x.want) {
				t.Errorf("got %s, want %q", got, x.want)
			}
		})
	}
}

// LG-22: a record is altered, removed or swapped. Verify names the first offset at which the log is wrong, and
// whoever folds it from the beginning does not serve the partition.
func TestLG22DamagedLogIsNamedAndNotServed(t *testing.T) {
	for name, x := range map[string]struct {
		spoil func(*copied, int)
		first int64 // of the record w1 at offset 2
	}{
		"altered": {func(c *copied, _ int) { c.change("c1", "w1", func(f fact) { f.(*event.EntryPosted).Category = "x" }) }, 2},
		"removed": {func(c *copied, n int) { c.records = slices.Delete(c.records, n, n+1) }, 2},
		"swapped": {func(c *copied, n int) { c.records[n], c.records[n+1] = c.records[n+1], c.records[n] }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := goodLog(t)
			x.spoil(c, c.find("c1", "w1"))
			c.write(kgo.TransactionalID("copy"))
			at := topic.Of("c1", 2)
			if got := c.bank.report().Problems; len(got) == 0 || got[0].Partition != at || got[0].Offset != x.first {
				t.Errorf("got %v, want offset %d of partition %d first", got, x.first, at)
			}
			i := c.bank.start()
			i.until(func() bool {
				return slices.ContainsFunc(i.cfg.Journal.Status(), func(s journal.Status) bool {
					return s.Partition == at && s.State != journal.Serving && strings.Contains(s.Problem, "does not follow from the ones before it")
				})
			})
			if _, err := i.PostEntry(t.Context(), deposit("c1.main", "later", 1)); !retryable(err) {
				t.Errorf("got %v, want it unavailable", err)
			}
		})
	}
}
