package rewards

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/refold/refold/projections/harness"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/category"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
)

func TestMain(m *testing.M) { harness.Main(m) }

func TestScripts(t *testing.T) { harness.Scripts(t, Definition()) }

// The rules are in a form in which points are what they say, whatever the amount.
func TestRulesFit(t *testing.T) {
	for _, r := range Versions() {
		least, most := int64(100), int64(100)
		for _, rate := range r.Rates {
			if rate.Percent > 0 {
				least = min(least, rate.Percent)
			}
			most = max(most, rate.Percent)
		}
		campaign, tier := int64(100), r.Tiers[len(r.Tiers)-1].Percent
		for _, c := range r.Campaigns {
			campaign = max(campaign, c.Percent)
			if !c.From.Before(c.Until) || c.From.Location() != time.UTC {
				t.Errorf("version %d: campaign %q is from %s until %s", r.Version, c.Name, c.From, c.Until)
			}
		}
		if mostUnits*least/100 < r.MonthlyCap || mostUnits > math.MaxInt64/(most*campaign*tier) {
			t.Errorf("version %d: %d units give less than the cap, or do not fit into 64 bits", r.Version, int64(mostUnits))
		}
		if r.Tiers[0].From != 0 || r.Tiers[0].Percent < 100 || r.LifeMonths < rollingMonths {
			t.Errorf("version %d: a tier is from 0 on, and points live as long as they make a tier", r.Version)
		}
		for i := 1; i < len(r.Tiers); i++ {
			if r.Tiers[i].From <= r.Tiers[i-1].From || r.Tiers[i].Percent < r.Tiers[i-1].Percent {
				t.Errorf("version %d: tier %s is not above %s", r.Version, r.Tiers[i].Name, r.Tiers[i-1].Name)
			}
		}
	}
}

func TestPoints(t *testing.T) {
	r := first()
	classic, gold := r.Tiers[0], r.Tiers[2]
	usual := event.MicrosOf(time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC))
	summer := event.MicrosOf(time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		p    purchase
		tier Tier
		want int64
	}{
		{purchase{1099, "EUR", category.Home, usual}, classic, 10},
		{purchase{1099, "EUR", category.Home, usual}, gold, 12},
		{purchase{1099, "EUR", category.Groceries, usual}, classic, 20},
		{purchase{99, "EUR", category.Groceries, usual}, classic, 0},
		{purchase{10_000, "EUR", category.Travel, usual}, classic, 300},
		{purchase{10_000, "EUR", category.Travel, summer - 1}, classic, 300},
		{purchase{10_000, "EUR", category.Travel, summer}, classic, 600},
		{purchase{10_000, "EUR", category.Home, summer}, classic, 100},
		{purchase{2500, "CZK", category.Other, usual}, classic, 1},
		{purchase{10_000, "SEK", category.Other, usual}, classic, 0},
		{purchase{10_000, "EUR", category.Fees, usual}, gold, 0},
		{purchase{-10_000, "EUR", category.Home, usual}, classic, -100},
		{purchase{math.MaxInt64, "EUR", category.Travel, summer}, gold, 5000},
		{purchase{math.MinInt64, "EUR", category.Travel, summer}, gold, -5000},
	} {
		if got := r.points(c.p, c.tier); got != c.want {
			t.Errorf("%v of %s: got %d points, want %d", c.p, c.tier.Name, got, c.want)
		}
	}
}

func TestProportion(t *testing.T) {
	p := Purchase{AmountMinor: 1000, Points: 7}
	for i, c := range []struct{ back, want int64 }{{500, -3}, {499, -3}, {-499, 3}, {math.MaxInt64, -4}, {math.MinInt64 + 1, 7}, {1000, -7}} {
		if got := p.giveBack(c.back); got != c.want {
			t.Errorf("step %d: got %d, want %d", i, got, c.want)
		}
	}
	if got := (&Purchase{AmountMinor: math.MaxInt64, Points: 5000}).giveBack(math.MaxInt64); got != -5000 {
		t.Errorf("got %d, want -5000", got)
	}
	if got := (&Purchase{Points: 5}).giveBack(10); got != 0 {
		t.Errorf("got %d, want 0", got)
	}
}

// A customer of long standing with the largest numbers that the rules allow has rows of the size that is promised.
func TestSizes(t *testing.T) {
	c, err := codec.RowOf[Row]()
	if err != nil {
		t.Fatal(err)
	}
	size := func(r Row) int {
		b, err := c.Append(nil, &r)
		if err != nil {
			t.Fatal(err)
		}
		return 1 + 5 + len(b) // the number of sources, an offset up to 2^35
	}
	s := &Summary{Month: 24300, Owed: 5000, Earned: 1e9, TakenBack: 1e9, Redeemed: 1e9, Expired: 1e9, Unknown: 1e6}
	for n := range int64(24) {
		s.Months = append(s.Months, Month{24300 + n, 5000, 5000})
	}
	at := event.MicrosOf(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
	for what, row := range map[string]struct {
		row  Row
		most int
	}{
		"summary":  {Row{Summary: s}, 400},
		"purchase": {Row{Purchase: &Purchase{24300, 1e9, 5000, 1e9}}, 40},
		"entry":    {Row{Entry: &Entry{TakenBack, -5000, 100_000, 100_000, 100_000, at}}, 40},
	} {
		got := size(row.row)
		t.Logf("%s: %d bytes", what, got)
		if got > row.most {
			t.Errorf("%s: got %d bytes, want at most %d", what, got, row.most)
		}
	}
}

// Whatever happens, the balance is what was earned less what was taken back, redeemed and expired, and nobody
// owes points and has some.
func TestSums(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		var s Summary
		for range 100 {
			n := random.Int64N(200)
			s.advance(s.Month+random.Int64N(2), 24)
			switch random.IntN(4) {
			case 0:
				_ = s.earn(n)
			case 1:
				_, _ = s.change(s.Month-random.Int64N(30), -n)
			case 2:
				_, _ = s.change(s.Month-random.Int64N(30), n)
			case 3:
				before := s.Balance()
				if done, _ := s.redeem(n); done != (before >= n) {
					t.Fatalf("redeemed %d of %d: %v", n, before, done)
				}
			}
			some := slices.ContainsFunc(s.Months, func(m Month) bool { return m.Left > 0 })
			none := slices.ContainsFunc(s.Months, func(m Month) bool { return m.Left < 0 })
			if got, want := s.Balance(), s.Earned-s.TakenBack-s.Redeemed-s.Expired; got != want || none || s.Owed < 0 || s.Owed > 0 && some {
				t.Fatalf("got balance %d of %+v, want %d", got, s, want)
			}
		}
	}
}

// A tier is made by this month and the eleven before it.
func TestTwelveMonthsMakeATier(t *testing.T) {
	s := Summary{Month: 24300, Months: []Month{{Month: 24288, Earned: 1}, {Month: 24289, Earned: 20}, {Month: 24300, Earned: 300}}}
	if got := s.rolling(); got != 320 {
		t.Errorf("got %d, want 320", got)
	}
}

// A row that was not told what the others of its customer decided refuses the event, rather than be wrong for ever.
func TestRowsThatAreNotTold(t *testing.T) {
	r := first()
	e := &posted{EventID: "event-1", Kind: event.EntryCardPurchase, Legs: []leg{{AccountID: "alice.card", AmountMinor: -100, Currency: "EUR"}}}
	for name, told := range map[string]told{
		"nothing":              {},
		"of another event":     {offset: 6, customer: "alice", summed: true},
		"of another customer":  {offset: 7, customer: "bob", summed: true},
		"by the purchase only": {offset: 7, customer: "alice"},
	} {
		for _, sort := range []string{"pevent-1", entrySort(1, "event-1")} {
			e.told = told
			row := &Row{}
			if err := r.foldPosted(projection.Key{Partition: "alice", Sort: sort}, row, e, projection.Meta{Offset: 7}); err == nil || *row != (Row{}) {
				t.Errorf("told %s: got %v, %v, want an error", name, row, err)
			}
		}
	}
}
