package transactions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/transactions/model"
	"github.com/refold/refold/streams/topic"
)

func TestVerifyAcceptsAGoodLog(t *testing.T) {
	c := goodLog(t)
	c.write(kgo.TransactionalID("copy"))
	got := c.bank.report()
	want := "{Records:25 Entries:15 Accounts:5 Totals:map[EUR:0] Found:0 Problems:[]}"
	if fmt.Sprintf("%+v", got) != want {
		t.Errorf("got %+v, want %s", got, want)
	}
}

// spoiled is what is done to a good log, and what is said of it.
type spoiled struct {
	spoil func(*copied)
	want  []string
}

func (x spoiled) test(t *testing.T) {
	t.Parallel()
	c := goodLog(t)
	x.spoil(c)
	c.write(kgo.TransactionalID("copy"))
	got := fmt.Sprint(c.bank.report().Problems)
	for _, want := range x.want {
		if !strings.Contains(got, want) {
			t.Errorf("got %s, want %q", got, want)
		}
	}
}

// entry changes an entry.
func entry(how func(*event.EntryPosted)) func(fact) {
	return func(f fact) { how(f.(*event.EntryPosted)) }
}

func TestVerifyNamesWhatIsWrong(t *testing.T) {
	for name, x := range map[string]spoiled{
		"a record is missing": {
			func(c *copied) { n := c.find("c1", "w1"); c.records = slices.Delete(c.records, n, n+1) },
			[]string{
				"offset 2: is number 4 of its partition, after number 2", "offset 2: names another record",
				"offset 2: has leg 3 of account c1.main, after leg 1", "offset 2: leaves account c1.main with 75, which had 100 and got 5",
			},
		},
		"two records are swapped": {
			func(c *copied) {
				n := c.find("c1", "d1")
				c.records[n], c.records[n+1] = c.records[n+1], c.records[n]
			},
			[]string{"offset 1: is number 3 of its partition, after number 1", "offset 2: was recorded at"},
		},
		"a record was changed": {
			func(c *copied) { c.change("c1", "d1", entry(func(e *event.EntryPosted) { e.Merchant = "x" })) },
			[]string{"offset 1: was changed: the record after it, at offset 2, names another one"},
		},
		"a link was changed": {
			func(c *copied) { c.change("c1", "d1", func(f fact) { f.Envelop().PrevHash[0]++ }) },
			[]string{"offset 1: was changed: it names another record than the one before it, at offset 0, and the one after it names another one"},
		},
		"one of the last two was changed": {
			func(c *copied) {
				n := c.find("c1", "d1")
				at, kept := c.records[n].Partition, 0
				c.change("c1", "d1", entry(func(e *event.EntryPosted) { e.Merchant = "x" }))
				c.records = slices.DeleteFunc(c.records, func(r *kgo.Record) bool {
					if r.Partition == at {
						kept++
					}
					return r.Partition == at && kept > 3
				})
			},
			[]string{"offset 2: names another record than the one before it, at offset 1: one of the two was changed"},
		},
		"an amount was changed": {
			func(c *copied) {
				c.change("c1", "d1", entry(func(e *event.EntryPosted) { e.Legs[0].AmountMinor++; e.Legs[0].BalanceAfterMinor++ }))
			},
			[]string{"offset 1: does not sum to zero in EUR", "offset 2: leaves account c1.main with 70, which had 101 and got -30"},
		},
		"a currency was changed": {
			func(c *copied) {
				c.change("c1", "d2", entry(func(e *event.EntryPosted) { e.Legs[0].Currency = "USD" }))
			},
			[]string{"does not sum to zero in USD", "books USD to account c1.main, which is in EUR"},
		},
		"a balance below its floor": {
			func(c *copied) {
				c.change("c1", "open-c1.main", func(f fact) { f.(*event.AccountOpened).OverdraftLimitMinor = -71 })
			},
			[]string{"leaves account c1.main with 70 available, which may not fall below 71"},
		},
		"an opening is missing": {
			func(c *copied) {
				c.records = slices.Delete(c.records, c.find("c4", "open-c4.main"), c.find("c4", "open-c4.main")+1)
			},
			[]string{"offset 0: is number 2 of its partition, after number 0", "books to account c4.main, which was not opened"},
		},
		"an account of somebody else": {
			func(c *copied) {
				c.change("c1", "open-c1.main", func(f fact) { f.(*event.AccountOpened).AccountID = "c9.main" })
			},
			[]string{`opens account "c9.main", which is not one of customer "c1"`},
		},
		"a freeze of an account that is not there": {
			func(c *copied) {
				c.change("c1", "freeze", func(f fact) { f.(*event.AccountFrozen).AccountID = "c1.x" })
			},
			[]string{"is of account c1.x, which was not opened"},
		},
		"money leaves a frozen account": {
			func(c *copied) {
				c.change("c1", "unfreeze", func(f fact) { f.(*event.AccountUnfrozen).AccountID = "c1.third" })
			},
			[]string{"takes from account c1.main, which is frozen"},
		},
		"an account with money is closed": {
			func(c *copied) {
				c.change("c1", "close", func(f fact) { f.(*event.AccountClosed).AccountID = "c1.main" })
			},
			[]string{"closes account c1.main, which has 75"},
		},
		"money on a closed account": {
			func(c *copied) {
				c.change("c1", "w3", entry(func(e *event.EntryPosted) { e.Legs[0].AccountID = "c1.third" }))
				w, n := c.find("c1", "w3"), c.find("c1", "close")
				c.records[w], c.records[n] = c.records[n], c.records[w]
			},
			[]string{"books to account c1.third, which is closed"},
		},
		"a closed account is closed": {
			func(c *copied) { c.records = append(c.records, c.records[c.find("c1", "close")]) },
			[]string{"is of account c1.third, which is closed"},
		},
		"more is held than there is": {
			func(c *copied) { c.change("c4", "hold-2", func(f fact) { f.(*event.HoldPlaced).AmountMinor = 56 }) },
			[]string{"holds 76 of account c4.main, which has 75", "ends hold", "of 30, which is not open on account c4.main"},
		},
		"a leg of another partition": {
			func(c *copied) {
				c.change("c1", "d3", entry(func(e *event.EntryPosted) { e.Legs[0].AccountID = "c4.main" }))
			},
			[]string{fmt.Sprintf("books to account c4.main, which belongs to partition %d", topic.Of("c4", 2))},
		},
		"more is spent than the limit": {
			func(c *copied) {
				c.change("c1", "w1", entry(func(e *event.EntryPosted) { e.Legs[0].LimitDay = 1 }))
			},
			[]string{"lets account c1.main spend 30 in a day, which may spend 0"},
		},
		"more is captured than held": {
			func(c *copied) {
				c.change("c4", "capture", entry(func(e *event.EntryPosted) { e.Legs[0].AmountMinor = -21 }))
			},
			[]string{"captures 21 of hold", "which holds 20"},
		},
		"what is held is spent": {
			func(c *copied) {
				c.change("c4", "capture", entry(func(e *event.EntryPosted) {
					e.Legs[0].AmountMinor, e.Legs[0].BalanceAfterMinor = -46, 29
				}))
			},
			[]string{"leaves account c4.main with -1 available"},
		},
		"opened twice": {
			func(c *copied) { n := c.find("c4", "open-c4.main"); c.records = append(c.records, c.records[n]) },
			[]string{"opens account c4.main again"},
		},
		"in another partition": {
			func(c *copied) { c.records[c.find("c4", "d1")].Partition = topic.Of("c1", 2) },
			[]string{fmt.Sprintf(`is of customer "c4", who belongs to partition %d`, topic.Of("c4", 2))},
		},
		"under another key": {
			func(c *copied) { c.records[c.find("c4", "d1")].Key = []byte("c1") },
			[]string{`has the key "c1", but is of customer "c4"`},
		},
		"not an event of the journal": {
			func(c *copied) {
				e, err := c.bank.codec.Encoder(context.Background(), topic.Transactions, event.NameActRecorded)
				if err == nil {
					c.records[0].Value, err = e.Append(nil, &event.ActRecorded{Kind: event.ActOther})
				}
				if err != nil {
					c.bank.t.Fatal(err)
				}
			},
			[]string{"offset 0: is of refold.ActRecorded, which does not belong here"},
		},
		"cut": {
			func(c *copied) { v := &c.records[0].Value; *v = (*v)[:len(*v)-1] },
			[]string{"offset 0: cannot be decoded"},
		},
	} {
		t.Run(name, x.test)
	}
}

func TestVerifyNamesWhatIsDoneTwice(t *testing.T) {
	for name, x := range map[string]spoiled{
		"a key is used again": {
			func(c *copied) {
				c.change("c4", "d2", entry(func(e *event.EntryPosted) { e.IdempotencyKey = "d1" }))
			},
			[]string{"answers a key that offset 1 has answered"},
		},
		"an entry is reversed twice": {
			func(c *copied) {
				was := c.fact("c4", "back-one").(*event.EntryPosted).Reverses
				c.change("c4", "back-two", entry(func(e *event.EntryPosted) { e.Reverses = was }))
			},
			[]string{"reverses an entry that offset "},
		},
		"what was never posted is reversed": {
			func(c *copied) {
				c.change("c4", "back-two", entry(func(e *event.EntryPosted) { e.Reverses = "x" }))
			},
			[]string{"reverses an entry that was never posted"},
		},
		"a refunded purchase is reversed": {
			func(c *copied) {
				was := c.fact("c4", "refund").(*event.EntryPosted).RefundOf
				c.change("c4", "back-two", entry(func(e *event.EntryPosted) { e.Reverses = was }))
			},
			[]string{"reverses an entry of which 10 were refunded"},
		},
		"more is refunded than was paid": {
			func(c *copied) {
				c.change("c4", "refund", entry(func(e *event.EntryPosted) { e.Legs[0].AmountMinor = 41 }))
			},
			[]string{"makes the refunds of a purchase of 40 together 41"},
		},
		"what is refunded is no purchase": {
			func(c *copied) {
				was := c.fact("c4", "in-one").Envelop().EventID
				c.change("c4", "refund", entry(func(e *event.EntryPosted) { e.RefundOf = was }))
				n, m := c.find("c4", "in-one"), c.find("c4", "refund")
				c.records[n], c.records[m] = c.records[m], c.records[n]
			},
			[]string{"refunds an entry that is no purchase"},
		},
		"a transfer that nobody sent": {
			func(c *copied) {
				c.change("c4", "d2", entry(func(e *event.EntryPosted) {
					e.Kind, e.Counterparty, e.TransferID = event.EntryTransfer, "c1.main", "t"
				}))
			},
			[]string{"is about a transfer that was never sent"},
		},
		"a transfer that is not in the clearing accounts": {
			func(c *copied) {
				c.change("c4", "w1", entry(func(e *event.EntryPosted) { e.Kind, e.Counterparty = event.EntryTransfer, "c1.main" }))
			},
			[]string{"30 EUR are on their way that are not in the clearing accounts"},
		},
	} {
		t.Run(name, x.test)
	}
}

func TestVerifyNamesRecordsOutsideOfTransactions(t *testing.T) {
	c := goodLog(t)
	c.write()
	got := c.bank.report()
	if got.Found != int64(len(c.records)) || !strings.Contains(got.Problems[0].What, "not of a transaction") {
		t.Errorf("got %+v, want every record named", got)
	}
}

func TestVerifyNamesWhereTheLogBegins(t *testing.T) {
	c := goodLog(t)
	c.write(kgo.TransactionalID("copy"))
	if err := c.bank.kafka.DeleteRecords(topic.Transactions, 0, 2); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.bank.report().Problems); !strings.Contains(got, "partition 0, offset 2: the log begins here") {
		t.Errorf("got %s, want the beginning named", got)
	}
}

func TestVerifyListsABoundedNumberOfProblems(t *testing.T) {
	a := newAudit(Verifier{})
	for n := range int64(2 * maxProblems) {
		a.problem(0, n, "is wrong")
	}
	if got := a.close(); got.Found != 2*maxProblems || len(got.Problems) != maxProblems {
		t.Errorf("got %d problems and a list of %d, want %d and %d", got.Found, len(got.Problems), 2*maxProblems, maxProblems)
	}
}

func TestVerifyEndsWithItsContext(t *testing.T) {
	b := newBank(t, 1)
	b.start().open("c1.main")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	v := Verifier{Cluster: b.cluster, Codec: codec.New(&schemas{}), Topic: topic.Transactions, Partitions: 1}
	if _, err := v.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// A read that fails is told: what was not read is not verified.
func TestVerifyFailsWithARead(t *testing.T) {
	b := newBank(t, 1)
	b.start().open("c1.main")
	b.spoiled = true // it cannot be read any more
	b.kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.UnknownServerError, Count: -1})
	v := Verifier{Cluster: b.cluster, Codec: codec.New(&schemas{}), Topic: topic.Transactions, Partitions: 1}
	if report, err := v.Verify(t.Context()); !errors.Is(err, kerr.UnknownServerError) {
		t.Errorf("got %+v, %v, want %v", report, err, kerr.UnknownServerError)
	}
	m := model.Verifier{Cluster: b.cluster, Codec: codec.New(&schemas{}), Topic: topic.Transactions}
	if report, err := m.Verify(t.Context()); !errors.Is(err, kerr.UnknownServerError) {
		t.Errorf("model: got %+v, %v, want %v", report, err, kerr.UnknownServerError)
	}
}
