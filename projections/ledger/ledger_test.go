package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// schemas is a registry in memory.
type schemas struct{ texts []string }

func (s *schemas) Register(_ context.Context, _, text string) (int, error) {
	s.texts = append(s.texts, text)
	return len(s.texts), nil
}

func (s *schemas) SchemaByID(_ context.Context, id int) (string, error) {
	if id < 1 || id > len(s.texts) {
		return "", fmt.Errorf("schema %d is unknown", id)
	}
	return s.texts[id-1], nil
}

// nothing is a base without rows.
type nothing struct{}

func (nothing) Load([]byte) ([]byte, error) { return nil, nil }

// log is a partition that is folded as it is written, every record in its place in the chain.
type log struct {
	t        testing.TB
	folder   projection.Folder
	encoders map[string]*codec.Encoder
	offset   int64
	prev     event.Hash
	seq      int64
}

func newLog(t testing.TB) *log {
	c := codec.New(&schemas{})
	l := &log{t: t, folder: Definition().NewFolder(c, nothing{}), encoders: make(map[string]*codec.Encoder)}
	for _, name := range event.Names() {
		var err error
		if l.encoders[name], err = c.Encoder(t.Context(), topic.Transactions, name); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

type fact interface{ Envelop() *event.Envelope }

// add completes an event as the next of the chain, lets spoil change it, and folds it.
func (l *log) add(f fact, spoil func(*event.Envelope)) error {
	e := f.Envelop()
	e.PartitionSeq, e.PrevHash = l.seq+1, l.prev
	e.RecordedAt = event.Micros(1000 + l.seq)
	if e.CustomerID == "" {
		e.CustomerID = "c1"
	}
	if e.IdempotencyKey == "" {
		e.IdempotencyKey = fmt.Sprint("key-", l.offset)
	}
	if e.EventID == "" {
		e.EventID = event.ID(e.CustomerID, e.IdempotencyKey)
	}
	if spoil != nil {
		spoil(e)
	}
	name := "bank." + strings.TrimPrefix(reflect.TypeOf(f).String(), "*event.")
	value, err := l.encoders[name].Append(nil, f)
	if err != nil {
		l.t.Fatal(err)
	}
	l.offset += 2 // a marker lies between
	if err := l.folder.Fold(&timeline.Record{Topic: topic.Transactions, Offset: l.offset, Value: value}); err != nil {
		return err
	}
	clear(value) // what the fold keeps must not point into it
	l.seq++
	return nil
}

func (l *log) must(f fact) {
	l.t.Helper()
	if err := l.add(f, nil); err != nil {
		l.t.Fatal(err)
	}
	row := l.row(HeadKey())
	l.prev = row.Head.Hash
}

func (l *log) row(k projection.Key) *Row {
	l.t.Helper()
	row, err := projection.Peek[Row](l.folder, k)
	if err != nil {
		l.t.Fatal(err)
	}
	return row
}

func open(account string) *event.AccountOpened {
	return &event.AccountOpened{AccountID: account, Kind: event.AccountCurrent, Currency: "EUR", OverdraftLimitMinor: 50}
}

func post(account string, amount, after, seq, worldAfter, worldSeq int64) *event.EntryPosted {
	return &event.EntryPosted{Kind: event.EntryDeposit, Legs: []event.Leg{
		{AccountID: account, AmountMinor: amount, Currency: "EUR", BalanceAfterMinor: after, AccountSeq: seq},
		{AccountID: "@world.0.EUR", AmountMinor: -amount, Currency: "EUR", BalanceAfterMinor: worldAfter, AccountSeq: worldSeq},
	}}
}

// leg is an entry of one leg.
func leg(currency string, amount, after int64) *event.EntryPosted {
	return &event.EntryPosted{Kind: event.EntryDeposit, Legs: []event.Leg{
		{AccountID: "c1.a", AmountMinor: amount, Currency: currency, BalanceAfterMinor: after, AccountSeq: 2},
	}}
}

func TestRowsAddUp(t *testing.T) {
	l := newLog(t)
	l.must(open("c1.main"))
	l.must(post("c1.main", 100, 100, 1, -100, 1))
	l.must(&event.CommandRejected{Envelope: event.Envelope{IdempotencyKey: "no"}, Command: "PostEntry", Reason: "INSUFFICIENT_FUNDS"})
	l.must(post("c1.main", -30, 70, 2, -70, 2))

	want := &Account{Currency: "EUR", Kind: event.AccountCurrent, OverdraftLimitMinor: 50, BalanceMinor: 70, Seq: 2}
	if got := l.row(AccountKey("c1.main")).Account; !reflect.DeepEqual(got, want) {
		t.Errorf("account: got %+v, want %+v", got, want)
	}
	want = &Account{Currency: "EUR", BalanceMinor: -70, Seq: 2}
	if got := l.row(AccountKey("@world.0.EUR")).Account; !reflect.DeepEqual(got, want) {
		t.Errorf("internal account: got %+v, want %+v", got, want)
	}
	if got := l.row(HeadKey()).Head; got.PartitionSeq != 4 || got.Offset != 8 || got.RecordedAt != 1003 {
		t.Errorf("head: got %+v, want number 4 at offset 8, recorded at 1003", got)
	}
	if got := l.row(OutcomeKey("c1", "never")); got != nil {
		t.Errorf("outcome of an unknown key: got %+v, want none", got)
	}
}

func TestOutcomeHoldsTheStoredValue(t *testing.T) {
	l := newLog(t)
	e := &event.CommandRejected{
		Envelope: event.Envelope{IdempotencyKey: "k1", CommandHash: event.CommandHash{7}},
		Command:  "PostEntry", Reason: "ACCOUNT_NOT_FOUND",
	}
	l.must(e)
	value, err := l.encoders[event.NameCommandRejected].Append(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	want := &Outcome{Value: value, Offset: 2}
	if got := l.row(OutcomeKey("c1", "k1")).Outcome; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got, want := l.row(HeadKey()).Head.Hash, sha256.Sum256(value); got != event.Hash(want) {
		t.Errorf("head's hash: got %s, want %s", hex.EncodeToString(got[:]), hex.EncodeToString(want[:]))
	}
}

func TestKeysOfTwoCustomersAreTwoKeys(t *testing.T) {
	l := newLog(t)
	for _, customer := range []string{"c1", "c2"} {
		l.must(&event.CommandRejected{Envelope: event.Envelope{CustomerID: customer, IdempotencyKey: "same"}})
	}
}

func TestRecordThatDoesNotFollowIsRefused(t *testing.T) {
	key := func(k string) func(*event.Envelope) { return func(e *event.Envelope) { e.IdempotencyKey = k } }
	for name, c := range map[string]struct {
		fact  fact
		spoil func(*event.Envelope)
	}{
		"a record is missing":     {open("c1.b"), func(e *event.Envelope) { e.PartitionSeq++ }},
		"a record comes twice":    {open("c1.b"), func(e *event.Envelope) { e.PartitionSeq-- }},
		"another predecessor":     {open("c1.b"), func(e *event.Envelope) { e.PrevHash[0]++ }},
		"recorded at one time":    {open("c1.b"), func(e *event.Envelope) { e.RecordedAt-- }},
		"key used twice":          {open("c1.b"), key("key-0")},
		"account opened twice":    {open("c1.a"), nil},
		"account never opened":    {post("c1.b", 1, 1, 1, -11, 2), nil},
		"wrong balance":           {post("c1.a", 1, 12, 2, -11, 2), nil},
		"wrong internal balance":  {post("c1.a", 1, 11, 2, -12, 2), nil},
		"gap in an account":       {post("c1.a", 1, 11, 3, -11, 2), nil},
		"wrong currency":          {leg("USD", 0, 10), nil},
		"legs that do not sum up": {leg("EUR", 1, 11), nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			l.must(open("c1.a"))
			l.must(post("c1.a", 10, 10, 1, -10, 1))
			if err := l.add(c.fact, c.spoil); !errors.Is(err, ErrBroken) {
				t.Errorf("got error %v, want ErrBroken", err)
			}
		})
	}
}

func TestStatusFollowsItsEvents(t *testing.T) {
	l := newLog(t)
	l.must(open("c1.a"))
	l.must(&event.AccountFrozen{AccountID: "c1.a"})
	if a := l.row(AccountKey("c1.a")).Account; !a.Frozen || a.Closed {
		t.Errorf("got %+v, want it frozen", a)
	}
	l.must(post("c1.a", 10, 10, 1, -10, 1))                                // money may come
	l.must(&event.RewardRedemptionRequested{AccountID: "c1.a", Points: 5}) // points are no money
	l.must(&event.AccountUnfrozen{AccountID: "c1.a"})
	l.must(post("c1.a", -10, 0, 2, 0, 2))
	l.must(&event.AccountClosed{AccountID: "c1.a"})
	if a := l.row(AccountKey("c1.a")).Account; a.Frozen || !a.Closed {
		t.Errorf("got %+v, want it closed", a)
	}
}

func TestStatusThatDoesNotFollowIsRefused(t *testing.T) {
	frozen := func() fact { return &event.AccountFrozen{AccountID: "c1.a"} }
	unfrozen := func() fact { return &event.AccountUnfrozen{AccountID: "c1.a"} }
	closed := func() fact { return &event.AccountClosed{AccountID: "c1.a"} }
	in := func() fact { return post("c1.a", 10, 10, 1, -10, 1) }
	for name, facts := range map[string][]fact{
		"never opened":        {&event.AccountFrozen{AccountID: "c1.b"}},
		"frozen twice":        {frozen(), frozen()},
		"unfrozen before":     {unfrozen()},
		"closed with money":   {in(), closed()},
		"closed twice":        {closed(), closed()},
		"frozen when closed":  {closed(), frozen()},
		"unfrozen as closed":  {frozen(), closed(), unfrozen()},
		"credit when closed":  {closed(), in()},
		"debit while frozen":  {in(), frozen(), post("c1.a", -1, 9, 2, -9, 2)},
		"points when closed":  {closed(), &event.RewardRedemptionRequested{AccountID: "c1.a", Points: 5}},
		"points of no one":    {&event.RewardRedemptionRequested{AccountID: "c1.b", Points: 5}},
		"debit of no account": {post("c1.b", -1, -1, 1, 1, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			l.must(open("c1.a"))
			last := len(facts) - 1
			for _, f := range facts[:last] {
				l.must(f)
			}
			if err := l.add(facts[last], nil); !errors.Is(err, ErrBroken) {
				t.Errorf("got error %v, want ErrBroken", err)
			}
		})
	}
}

func TestRecordOutOfTheChainChangesNoRow(t *testing.T) {
	l := newLog(t)
	l.must(open("c1.a"))
	if err := l.add(open("c1.b"), func(e *event.Envelope) { e.PrevHash[0]++ }); !errors.Is(err, ErrBroken) {
		t.Fatalf("got error %v, want ErrBroken", err)
	}
	if got := l.row(AccountKey("c1.b")); got != nil {
		t.Errorf("account of a refused record: got %+v, want none", got)
	}
}

func TestFoldingAgainChangesNothing(t *testing.T) {
	l := newLog(t)
	l.must(open("c1.a"))
	e := open("c1.b")
	l.must(e)
	value, err := l.encoders[event.NameAccountOpened].Append(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.folder.Fold(&timeline.Record{Topic: topic.Transactions, Offset: l.offset, Value: value}); err != nil {
		t.Error(err)
	}
}

func BenchmarkFoldEntry(b *testing.B) {
	l := newLog(b)
	l.must(open("c1.a"))
	b.ReportAllocs()
	n := int64(0)
	for b.Loop() {
		n++
		l.must(post("c1.a", 1, n, n, -n, n))
		if n%4096 == 0 {
			l.folder.Forget(l.offset - 2)
		}
	}
}
