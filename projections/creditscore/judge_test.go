package creditscore

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
)

func date(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// customer is a row that is folded by hand.
type customer struct {
	t      *testing.T
	row    Row
	events int64
}

func newCustomer(t *testing.T, day, currency string, limit int64) *customer {
	c := &customer{t: t}
	e := &opened{CustomerID: "c", OccurredAt: event.MicrosOf(date(t, day)), Currency: currency, OverdraftLimitMinor: limit}
	if err := Models()[0].foldOpened(projection.Key{}, &c.row, e, projection.Meta{}); err != nil {
		t.Fatal(err)
	}
	return c
}

// post posts an entry to the customer's account.
func (c *customer) post(day, kind string, amount int64) error {
	c.events++
	e := &posted{
		EventID: fmt.Sprint(c.events), OccurredAt: event.MicrosOf(date(c.t, day)), Kind: kind,
		Legs: []leg{{AccountID: "c.main", AmountMinor: amount, Currency: c.row.Books[0].Currency}, {AccountID: "@world.0.CZK", AmountMinor: -amount}},
	}
	return Models()[0].foldPosted(projection.Key{Partition: "c"}, &c.row, e, projection.Meta{Offset: c.events})
}

func (c *customer) mustPost(day, kind string, amount int64) {
	c.t.Helper()
	if err := c.post(day, kind, amount); err != nil {
		c.t.Fatal(err)
	}
}

func (c *customer) judge(day string) Judgement { return Models()[0].Judge(&c.row, date(c.t, day)) }

// Days on which nothing happens count: a debt that stands is one of every month.
func TestDaysWithoutEventsCount(t *testing.T) {
	c := newCustomer(t, "2014-01-10", "CZK", 1000)
	c.mustPost("2014-01-10", event.EntryWithdrawal, -400)
	for day, want := range map[string]int64{"2014-01-10": 1, "2014-02-01": 2, "2014-02-28": 2, "2014-12-31": 12, "2044-01-01": 12} {
		if got := c.judge(day).Factors[Overdrafts].Measured.Value; got != want {
			t.Errorf("%s: got %d months overdrawn, want %d", day, got, want)
		}
	}
	if got := c.judge("2014-03-01").Factors[Limits].Measured.Value; got != 40 {
		t.Errorf("got %d %% of the limit used, want 40", got)
	}
}

// A question changes nothing, and one of a day that is over is as good as one of the last day.
func TestJudgeLeavesTheRow(t *testing.T) {
	c := newCustomer(t, "2014-01-10", "CZK", 0)
	c.mustPost("2014-02-10", event.EntryDeposit, 400)
	before := fmt.Sprintf("%+v", c.row)
	first := c.judge("2015-05-05")
	if again := c.judge("2015-05-05"); !reflect.DeepEqual(first, again) || fmt.Sprintf("%+v", c.row) != before {
		t.Errorf("got %+v, then %+v, row %+v", first, again, c.row)
	}
	if got := c.judge("2013-01-01"); !got.Day.Equal(date(t, "2014-02-10")) {
		t.Errorf("got the score of %s, want that of the last day", got.Day)
	}
}

// What is asked of a later day is what a fold would find there.
func TestJudgeAgreesWithTheFold(t *testing.T) {
	asked, folded := newCustomer(t, "2014-01-10", "CZK", 0), newCustomer(t, "2014-01-10", "CZK", 0)
	for _, c := range []*customer{asked, folded} {
		c.mustPost("2014-02-10", event.EntrySalary, 40000)
		c.mustPost("2014-03-31", event.EntryWithdrawal, -39000)
	}
	for month := range 20 {
		day := time.Date(2014, time.Month(4+month), 28, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		folded.mustPost(day, event.EntryTransferReturn, 0)
		got, want := asked.judge(day), folded.row.Changes[len(folded.row.Changes)-1].Score
		if got.Score != want {
			t.Errorf("%s: got %d, want %d", day, got.Score, want)
		}
	}
}

func TestReasonsAreTheDearest(t *testing.T) {
	c := newCustomer(t, "2014-01-10", "CZK", 0)
	c.mustPost("2014-02-10", event.EntrySalary, 1000)
	c.mustPost("2014-03-10", event.EntryWithdrawal, -1100)
	j := c.judge("2014-04-30")
	var got []string
	for _, r := range j.Reasons(3) {
		got = append(got, r.Factor.Measure.String())
	}
	if want := "floor swing lean_months"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	sum := int64(MinScore)
	for _, f := range j.Factors {
		sum += f.Points
	}
	if j.Score != sum {
		t.Errorf("got score %d, its factors make %d", j.Score, sum)
	}
	if n := len(j.Reasons(100)); n >= len(j.Factors) {
		t.Errorf("got %d reasons, also of factors that cost nothing", n)
	}
}

// A sum that does not fit fails the fold, so that the row stands still.
func TestSumsThatDoNotFit(t *testing.T) {
	c := newCustomer(t, "2014-01-10", "CZK", 0)
	c.mustPost("2014-01-11", event.EntryDeposit, maxMinor)
	if err := c.post("2014-01-12", event.EntryDeposit, 1); !errors.Is(err, errOverflow) {
		t.Errorf("got %v, want an overflow", err)
	}
	d := newCustomer(t, "2014-01-10", "CZK", 0)
	d.mustPost("2014-02-11", event.EntryDeposit, maxMinor)
	d.mustPost("2014-03-11", event.EntryWithdrawal, -maxMinor)
	for _, m := range d.row.At(d.row.Day + 400) {
		if m.Value < 0 {
			t.Errorf("got %+v of the largest sums", m)
		}
	}
}

// A customer of two busy years takes little room.
func TestRowIsSmall(t *testing.T) {
	c := newCustomer(t, "2014-01-10", "CZK", 1_000_000)
	day := date(t, "2014-01-10")
	for n := range 700 {
		text := day.AddDate(0, 0, n).Format(time.DateOnly)
		kind, amount := event.EntryWithdrawal, int64(-100_000-n*n%7*9_000)
		if n%28 == 0 {
			kind, amount = event.EntrySalary, 2_900_000+int64(n%5)*100_000
		}
		c.mustPost(text, kind, amount)
	}
	row, err := codec.RowOf[Row]()
	if err != nil {
		t.Fatal(err)
	}
	c.row.ChangedBy = strings.Repeat("x", 26)
	b, err := row.Append(nil, &c.row)
	if err != nil || len(b) > 400 {
		t.Errorf("got %d bytes, %v, want at most 400", len(b), err)
	}
	if n := len(c.row.Changes); n != maxChanges {
		t.Errorf("got %d changes, want the last %d", n, maxChanges)
	}
	t.Logf("%d bytes, %d changes", len(b), len(c.row.Changes))
}

func TestPercent(t *testing.T) {
	for _, c := range []struct{ amount, of, want int64 }{
		{0, 0, 0}, {0, 5, 0}, {1, 0, maxPercent}, {-1, 0, -maxPercent}, {1, -4, maxPercent}, {5, 10, 50}, {-5, 10, -50},
		{-1, 1_000_000, -1}, {1, 1_000_000, 0}, {1 << 62, 1 << 62, 100}, {1 << 62, 1, maxPercent}, {19, 100, 19},
	} {
		if got := percent(c.amount, c.of); got != c.want {
			t.Errorf("%d of %d: got %d, want %d", c.amount, c.of, got, c.want)
		}
	}
}

func TestMonths(t *testing.T) {
	for _, text := range []string{"1899-12-31", "1969-12-31", "1970-01-01", "2000-02-29", "2014-12-31", "2015-01-01"} {
		at := date(t, text)
		day := dayOf(event.MicrosOf(at.Add(23 * time.Hour)))
		if !Day(day).Equal(at) {
			t.Errorf("%s: got day %s", text, Day(day))
		}
		if got, want := Day(firstOf(monthOf(day))), at.AddDate(0, 0, 1-at.Day()); !got.Equal(want) {
			t.Errorf("%s: got first day %s, want %s", text, got, want)
		}
	}
}
