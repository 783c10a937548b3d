package transactions

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/transactions/model"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// FuzzDecide lets bytes be a sequence of commands on a few accounts, decides them as the service does, against
// the fold of the ledger, and holds the log that this makes against the model: every outcome, every reason.
func FuzzDecide(f *testing.F) {
	for seed := range byte(64) {
		random := rand.NewChaCha8([32]byte{seed})
		b := make([]byte, 4_000)
		_, _ = random.Read(b) // it never fails
		f.Add(b)
	}
	machines, err := OpenMachines(f.Context(), codec.New(&schemas{}), topic.Transactions, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newScript(t, b, *machines)
		for len(s.bytes) > 0 && len(s.log) < 1_000 {
			s.step()
		}
		for _, p := range s.partitions {
			if err := p.ledger.Wait(t.Context(), p.partition, p.offset); err != nil {
				t.Fatal(err)
			}
		}
		report, err := model.Verifier{Codec: s.codec}.Records(t.Context(), s.log, fuzzedPartitions)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range report.Problems {
			t.Errorf("%s", p)
		}
		if t.Failed() {
			s.print()
		}
	})
}

// fuzzedPartitions is how many partitions there are: c1 and c2 live in one of them, c4 in the other.
const fuzzedPartitions = 2

// script is a bank that is fed commands made of bytes.
type script struct {
	t          *testing.T
	bytes      []byte
	codec      *codec.Codec
	partitions [fuzzedPartitions]*alone
	log        []*timeline.Record // of both, in the order in which it came about
	now        time.Time
	events     []named // that later commands may name
	sent       []*event.EntryPosted
	messages   int64 // between the partitions
}

// named is an event and the account that it is about.
type named struct{ account, id string }

func newScript(t *testing.T, b []byte, m Machines) *script {
	s := &script{t: t, bytes: b, codec: m.codec, now: noon.Time()}
	for p := range s.partitions {
		l := &lazy{rows: make(map[string][]byte)}
		l.folder = m.definition.NewFolder(s.codec, l)
		m.ledger = l
		machines := m
		s.partitions[p] = &alone{t: t, machine: machines.New(int32(p)).(*machine), ledger: l}
		if err := s.partitions[p].Reset(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// of returns the partition of an account.
func (s *script) of(account string) *alone {
	customer, _ := customerOf(account)
	return s.partitions[topic.Of(customer, fuzzedPartitions)]
}

// next returns a number below n made of the next byte.
func (s *script) next(n int) int {
	if len(s.bytes) == 0 {
		return 0
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return int(b) % n
}

func one[T any](s *script, of ...T) T { return of[s.next(len(of))] }

// step decides the next command.
func (s *script) step() {
	s.now = s.now.Add(one(s, time.Microsecond, time.Microsecond, time.Microsecond, time.Second, time.Second, -time.Hour, time.Hour, 24*time.Hour, 8*24*time.Hour))
	r := s.request()
	switch {
	case r != nil:
		s.command(r)
	case len(s.sent) == 0 || s.next(2) == 0:
		s.decide(one(s, s.partitions[:]...), newSweep())
	default:
		s.relay(one(s, s.sent...))
	}
}

// command decides the command of a request, as the server does: if its accounts may be meant.
func (s *script) command(r proto.Message) {
	c, refusal := commandOf(r, "tester")
	if refusal != nil {
		return
	}
	at := s.of(c.wish.accountID())
	if w, ok := c.wish.(spread); ok {
		for _, id := range w.parties() {
			if t, is := c.wish.(*transfer); is && s.of(id) != at {
				c.wish = &sendTransfer{t}
			} else if s.of(id) != at {
				return
			}
		}
	}
	s.decide(at, c)
}

// relay brings a message about a transfer to the partition of its receiver, or the answer back, once more or
// not for the first time.
func (s *script) relay(e *event.EntryPosted) {
	s.messages++
	receiver := newReceiveTransfer(e, s.messages)
	if s.next(2) == 0 {
		s.decide(s.of(e.Counterparty), receiver)
		return
	}
	o, found, err := s.of(e.Counterparty).Find(s.t.Context(), receiver)
	if err != nil {
		s.t.Fatal(err)
	}
	if found {
		s.decide(s.of(e.Legs[0].AccountID), newEndTransfer(e, o.fact, s.messages))
	}
}

func (s *script) decide(at *alone, c *Command) {
	d, err := at.Decide(s.t.Context(), c, at.offset, s.now)
	if err != nil {
		s.print()
		s.t.Fatal(err)
	}
	for _, r := range d.Before {
		s.take(at, r.Value)
	}
	if d.Value == nil {
		return
	}
	s.take(at, d.Value)
	if _, rejected := d.Outcome.fact.(*event.CommandRejected); !rejected {
		s.events = append(s.events, named{c.wish.accountID(), d.Outcome.fact.Envelop().EventID})
	}
	if e, ok := d.Outcome.fact.(*event.EntryPosted); ok && sent(e) {
		s.sent = append(s.sent, e)
	}
}

func (s *script) take(at *alone, value []byte) {
	s.log = append(s.log, &timeline.Record{Topic: topic.Transactions, Partition: at.partition, Offset: at.offset, Value: value})
	at.take(value)
}

// print prints the last records of the log.
func (s *script) print() {
	for _, rec := range s.log[max(0, len(s.log)-20):] {
		_, fields, err := s.codec.JSON(s.t.Context(), rec.Value)
		s.t.Logf("%d %s %v", rec.Offset, fields, err)
	}
}

func (s *script) account() string { return one(s, "c1.a", "c1.b", "c2.a", "c4.a") }

func (s *script) amount() int64 {
	if s.next(12) < 11 {
		return one[int64](s, 1, 5, 10, 10, 20, 30, 50, 60, 100, 200)
	}
	return one[int64](s, maxAmount, math.MaxInt64-3, math.MaxInt64)
}

func (s *script) currency() string {
	return one(s, "EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "EUR", "USD", "XXX")
}

// key returns a key of a command: mostly a new one.
func (s *script) key() string {
	if s.next(10) == 9 {
		return fmt.Sprint("k", s.next(5))
	}
	return fmt.Sprint("k", len(s.log))
}

// event returns the id of an earlier event, mostly one of the last, and mostly its account.
func (s *script) event() (account, id string) {
	if len(s.events) == 0 || s.next(20) == 19 {
		return s.account(), "none"
	}
	e := s.events[len(s.events)-1-s.next(min(len(s.events), 12))]
	if s.next(12) == 11 {
		e.account = s.account()
	}
	return e.account, e.id
}

// occurred returns when something occurred, mostly nothing.
func (s *script) occurred() *timestamppb.Timestamp {
	if s.next(8) != 7 {
		return nil
	}
	return timestamppb.New(one(s, s.now, s.now.Add(23*time.Hour), s.now.Add(25*time.Hour), time.Date(1890, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(5, 1000).UTC()))
}

// request returns the next request; nil is a sweep.
func (s *script) request() proto.Message {
	account, id := s.event()
	switch s.next(16) {
	case 0:
		return &bankv1.OpenAccountRequest{
			IdempotencyKey: s.key(), AccountId: s.account(), Kind: bankv1.AccountKind_ACCOUNT_KIND_CARD, Currency: s.currency(), OccurredAt: s.occurred(),
			OverdraftLimitMinor: one[int64](s, 0, 0, 30, maxAmount), DailyLimitMinor: one[int64](s, 0, 60, 200, 1),
			TimeZone: one(s, "", "Europe/Berlin", "Pacific/Apia", "America/Sao_Paulo"),
		}
	case 1, 2, 3, 4, 5:
		return s.postEntry()
	case 6, 7:
		return s.placeHold()
	case 8:
		return &bankv1.CaptureHoldRequest{
			IdempotencyKey: s.key(), AccountId: account, HoldId: id, AmountMinor: one[int64](s, 0, 0, 1, 10, 100),
			Kind: one(s, bankv1.EntryKind_ENTRY_KIND_UNSPECIFIED, bankv1.EntryKind_ENTRY_KIND_FEE), OccurredAt: s.occurred(),
		}
	case 9:
		return &bankv1.ReleaseHoldRequest{IdempotencyKey: s.key(), AccountId: account, HoldId: id, Historical: s.next(2) == 1}
	case 10:
		return &bankv1.ReverseEntryRequest{IdempotencyKey: s.key(), AccountId: account, EntryId: id, CorrelationId: one(s, "", "x")}
	case 11:
		return &bankv1.TransferRequest{IdempotencyKey: s.key(), AccountId: s.account(), ToAccountId: s.account(), AmountMinor: s.amount(), Currency: s.currency(), Category: one(s, "", "rent")}
	case 12:
		return s.postEntries()
	case 13:
		return s.status()
	}
	return nil
}

func (s *script) postEntry() proto.Message {
	r := &bankv1.PostEntryRequest{
		IdempotencyKey: s.key(), AccountId: s.account(), AmountMinor: s.amount(), Currency: s.currency(), OccurredAt: s.occurred(),
		Kind: bankv1.EntryKind(1 + s.next(len(bankv1.EntryKind_name))), Merchant: one(s, "", "shop"),
	}
	r.Kind = one(s, r.Kind, bankv1.EntryKind_ENTRY_KIND_DEPOSIT, bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE,
		bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE, bankv1.EntryKind_ENTRY_KIND_REFUND, bankv1.EntryKind_ENTRY_KIND_REFUND)
	if r.Kind == bankv1.EntryKind_ENTRY_KIND_REFUND {
		r.AccountId, r.RefundOf = s.event()
		r.Historical = r.RefundOf == ""
	}
	return r
}

func (s *script) placeHold() proto.Message {
	r := &bankv1.PlaceHoldRequest{
		IdempotencyKey: s.key(), AccountId: s.account(), AmountMinor: s.amount(), Currency: s.currency(), Mcc: one(s, "", "1234"), OccurredAt: s.occurred(),
	}
	if in := one(s, 0, time.Second, time.Hour, 90*24*time.Hour, 91*24*time.Hour, -time.Second); in != 0 {
		r.ExpiresAt = timestamppb.New(s.now.Add(in))
	}
	return r
}

func (s *script) postEntries() proto.Message {
	r := &bankv1.PostEntriesRequest{
		IdempotencyKey: s.key(), AccountId: s.account(), Kind: bankv1.EntryKind(1 + s.next(len(bankv1.EntryKind_name))), Category: one(s, "", "x"),
	}
	sums := make(map[string]int64)
	for range 1 + s.next(3) {
		l := &bankv1.PostedLeg{AccountId: s.account(), AmountMinor: s.amount() * one[int64](s, 1, -1), Currency: s.currency()}
		r.Legs = append(r.Legs, l)
		sums[l.Currency] += l.AmountMinor
	}
	for _, currency := range slices.Sorted(slices.Values([]string{"EUR", "USD", "XXX"})) {
		if sums[currency] != 0 {
			r.Legs = append(r.Legs, &bankv1.PostedLeg{AccountId: one(s, "@world", "@fees"), AmountMinor: -sums[currency], Currency: currency})
		}
	}
	return r
}

func (s *script) status() proto.Message {
	key, account := s.key(), s.account()
	return one[proto.Message](s,
		&bankv1.FreezeAccountRequest{IdempotencyKey: key, AccountId: account, Reason: "x"},
		&bankv1.UnfreezeAccountRequest{IdempotencyKey: key, AccountId: account},
		&bankv1.UnfreezeAccountRequest{IdempotencyKey: key, AccountId: account},
		&bankv1.CloseAccountRequest{IdempotencyKey: key, AccountId: account})
}
