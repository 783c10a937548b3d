package reports_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/services/reports"
	"github.com/refold/refold/streams/topic"
)

// day returns a day of January 2014.
func day(n int) time.Time { return time.Date(2014, 1, n, 0, 0, 0, 0, time.UTC) }

// statement opens c1.main with one deposit of n for each n of days, on that day, in the order given. Other
// accounts have entries too.
func (b *bank) statement(days ...int) (seen string) {
	b.t.Helper()
	facts := []any{opened("c1.main", event.AccountCurrent), opened("c1.mainx", event.AccountCurrent), opened("c1.mai", event.AccountCurrent)}
	for _, n := range days {
		facts = append(facts, b.posted("c1.main", day(n), event.EntryDeposit, "", int64(n)))
	}
	facts = append(facts, b.posted("c1.mainx", day(1), event.EntryDeposit, "", 1000), b.posted("c1.mai", day(1), event.EntryDeposit, "", 1000))
	return b.commit(facts...)
}

// list returns the amounts on one page and the token of the next.
func (b *bank) list(r *bankv1.ListEntriesRequest) (amounts []int64, next string) {
	b.t.Helper()
	r.AccountId = "c1.main"
	got, err := b.server.ListEntries(b.t.Context(), r)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, l := range got.GetEntries() {
		amounts = append(amounts, l.GetAmountMinor())
	}
	return amounts, got.GetNextPageToken()
}

// numbers returns the numbers from one to another.
func numbers(from, to int64) (out []int64) {
	for n := from; n <= to; n++ {
		out = append(out, n)
	}
	return out
}

func TestStatementIsInOrderOfTime(t *testing.T) {
	b := newBank(t)
	seen := b.statement(3, 1, 2)
	got, err := b.server.ListEntries(t.Context(), &bankv1.ListEntriesRequest{AccountId: "c1.main", MinPosition: seen})
	if err != nil {
		t.Fatal(err)
	}
	// The balance is that in the order of recording: 3, 4, 6.
	for i, want := range []struct{ amount, balance, seq int64 }{{1, 4, 2}, {2, 6, 3}, {3, 3, 1}} {
		l := got.GetEntries()[i]
		if l.GetAmountMinor() != want.amount || l.GetBalanceAfterMinor() != want.balance || l.GetAccountSeq() != want.seq {
			t.Errorf("line %d: got %v, want %v", i, l, want)
		}
	}
	l := got.GetEntries()[0]
	if l.GetKind() != bankv1.EntryKind_ENTRY_KIND_DEPOSIT || l.GetCurrency() != "EUR" || l.GetMerchant() != "the shop" || l.GetEventId() != "c1.main" ||
		!l.GetOccurredAt().AsTime().Equal(day(1)) || !l.GetRecordedAt().AsTime().Equal(time.Unix(7, 0)) {
		t.Errorf("got %v", l)
	}
	if len(got.GetEntries()) != 3 || got.GetNextPageToken() != "" || got.GetFreshness().GetGeneration() != 1 {
		t.Errorf("got %d lines, next page %q, %v", len(got.GetEntries()), got.GetNextPageToken(), got.GetFreshness())
	}
}

func TestStatementOfASpanOfTime(t *testing.T) {
	b := newBank(t)
	seen := b.statement(1, 2, 3, 4)
	for name, c := range map[string]struct {
		from, to *timestamppb.Timestamp
		want     []int64
	}{
		"all":                       {nil, nil, numbers(1, 4)},
		"from":                      {timestamppb.New(day(3)), nil, numbers(3, 4)},
		"to":                        {nil, timestamppb.New(day(3)), numbers(1, 2)},
		"between":                   {timestamppb.New(day(2)), timestamppb.New(day(4)), numbers(2, 3)},
		"nothing":                   {timestamppb.New(day(2)), timestamppb.New(day(2)), nil},
		"a nanosecond late":         {timestamppb.New(day(2).Add(1)), nil, numbers(3, 4)},
		"a nanosecond more":         {nil, timestamppb.New(day(2).Add(1)), numbers(1, 2)},
		"before everything":         {nil, timestamppb.New(time.Unix(-1e9, 0)), nil},
		"from the beginning of all": {timestamppb.New(time.Unix(-62135596800, 0)), nil, numbers(1, 4)},
	} {
		got, _ := b.list(&bankv1.ListEntriesRequest{From: c.from, To: c.to, MinPosition: seen})
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestSpanThatIsNone(t *testing.T) {
	b := newBank(t)
	b.statement(1)
	for _, r := range []*bankv1.ListEntriesRequest{
		{From: timestamppb.New(day(2)), To: timestamppb.New(day(1))},
		{From: &timestamppb.Timestamp{Nanos: -1}},
		{To: &timestamppb.Timestamp{Seconds: 1 << 60}},
	} {
		r.AccountId = "c1.main"
		_, err := b.server.ListEntries(t.Context(), r)
		refused(t, err, codes.InvalidArgument, query.ReasonMalformed)
	}
}

func TestPagesOfAStatement(t *testing.T) {
	b := newBank(t)
	var days []int
	for n := range 31 {
		days = append(days, n+1)
	}
	seen := b.statement(days...)
	for _, size := range []int32{1, 7, 30, 31, 32} {
		var all []int64
		r := &bankv1.ListEntriesRequest{PageSize: size, MinPosition: seen, From: timestamppb.New(day(2))}
		for {
			part, next := b.list(r)
			if len(part) > int(size) || (next != "" && len(part) != int(size)) || len(part) == 0 {
				t.Fatalf("pages of %d: got one of %d", size, len(part))
			}
			all = append(all, part...)
			if r.PageToken = next; next == "" {
				break
			}
		}
		if !slices.Equal(all, numbers(2, 31)) {
			t.Errorf("pages of %d: got %v", size, all)
		}
	}
}

func TestPagesOfNoStatedSize(t *testing.T) {
	b := newBank(t)
	seen := b.statement(make([]int, 101)...)
	first, next := b.list(&bankv1.ListEntriesRequest{MinPosition: seen})
	rest, last := b.list(&bankv1.ListEntriesRequest{PageToken: next})
	if len(first) != 100 || len(rest) != 1 || last != "" {
		t.Errorf("got pages of %d and %d, and %q behind them", len(first), len(rest), last)
	}
}

func TestPageTokenIsChecked(t *testing.T) {
	b := newBank(t)
	seen := b.statement(1, 2, 3)
	_, token := b.list(&bankv1.ListEntriesRequest{PageSize: 1, MinPosition: seen, From: timestamppb.New(day(1))})
	if token == "" {
		t.Fatal("there is no second page")
	}
	from, to := timestamppb.New(day(1)), timestamppb.New(day(9))
	for name, r := range map[string]*bankv1.ListEntriesRequest{
		"another account":   {AccountId: "c1.mainx", From: from, PageToken: token},
		"another beginning": {AccountId: "c1.main", PageToken: token},
		"another end":       {AccountId: "c1.main", From: from, To: to, PageToken: token},
		"cut":               {AccountId: "c1.main", From: from, PageToken: token[:len(token)-4]},
		"changed":           {AccountId: "c1.main", From: from, PageToken: strings.Replace(token, token[4:6], "zz", 1)},
		"something else":    {AccountId: "c1.main", From: from, PageToken: "page 2"},
		"a position":        {AccountId: "c1.main", From: from, PageToken: seen},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.server.ListEntries(t.Context(), r)
			refused(t, err, codes.InvalidArgument, query.ReasonBadToken)
		})
	}
}

// watched is an engine that writes down what it is asked.
type watched struct {
	query.Engine
	asked []engine.Query
	left  time.Duration // how long the last question might wait
}

// View implements query.Engine.
func (w *watched) View(ctx context.Context, q engine.Query) (*engine.View, error) {
	w.asked = append(w.asked, q)
	limit, _ := ctx.Deadline()
	w.left = time.Until(limit)
	return w.Engine.View(ctx, q)
}

func TestPageIsNoOlderThanTheOneBefore(t *testing.T) {
	b := newBank(t)
	w := &watched{Engine: b.engine}
	s, err := reports.NewServer(query.Reader{Engine: w, Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	r := &bankv1.ListEntriesRequest{AccountId: "c1.main", PageSize: 1, MinPosition: b.statement(1, 2)}
	first, err := s.ListEntries(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if w.left <= 0 || w.left > 5*time.Second {
		t.Errorf("a read may wait for %s, want 5 s at most", w.left)
	}
	r.MinPosition, r.PageToken = "", first.GetNextPageToken()
	if _, err := s.ListEntries(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	p := topic.Of("c1", partitions)
	want := engine.Query{Projection: balances.Name, Partition: p, Generation: 1, MinOffset: b.broker.Ends(topic.Transactions)[p], Key: "c1"}
	if got := w.asked[1]; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// promote replaces the live generation of balances by a new one, and returns its number.
func (b *bank) promote() int64 {
	b.t.Helper()
	op, err := b.engine.Start(b.t.Context(), balances.Name, "tester", "to see")
	if err != nil {
		b.t.Fatal(err)
	}
	until(b.t, "the replay is verified", func() bool {
		_, _, s, err := b.engine.Find(op)
		return err == nil && s.State == engine.Verified
	})
	if err := b.engine.Promote(b.t.Context(), op, "tester", "", false); err != nil {
		b.t.Fatal(err)
	}
	b.ready(topic.Of("c1", partitions))
	live, _, err := b.engine.Statuses(balances.Name)
	if err != nil {
		b.t.Fatal(err)
	}
	return live
}

func TestPagesAreOfOneGeneration(t *testing.T) {
	b := newBank(t)
	seen := b.statement(1, 2, 3, 4)
	r := &bankv1.ListEntriesRequest{AccountId: "c1.main", PageSize: 1, MinPosition: seen}
	_, r.PageToken = b.list(r)
	if live := b.promote(); live != 2 {
		t.Fatalf("generation %d is live, want 2", live)
	}
	got, err := b.server.ListEntries(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if g := got.GetFreshness().GetGeneration(); g != 1 || got.GetEntries()[0].GetAmountMinor() != 2 {
		t.Errorf("got %v of generation %d, want that of day 2, of generation 1", got.GetEntries(), g)
	}
	r.PageToken = got.GetNextPageToken()
	b.promote()
	until(t, "the rows of generation 1 are gone", func() bool {
		_, err = b.server.ListEntries(t.Context(), r)
		return err != nil
	})
	refused(t, err, codes.Aborted, query.ReasonPageExpired)
}
