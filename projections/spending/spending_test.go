package spending

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/refold/refold/projections/harness"
	"github.com/refold/refold/schemas/category"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
)

func TestMain(m *testing.M) { harness.Main(m) }

func TestScripts(t *testing.T) { harness.Scripts(t, Definition()) }

func TestMonth(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2014, 1, 31, 23, 59, 59, 0, time.UTC),
		time.Date(1999, 12, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2024, 3, 1, 0, 30, 0, 0, time.FixedZone("", 3600)), // February in UTC
	} {
		if got, want := Month(at), at.UTC().Format("2006-01"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A calendar says what Month and edge say, whatever it was asked before.
func TestCalendar(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var c calendar
	at := time.Date(1969, 12, 1, 0, 0, 0, 0, time.UTC)
	for range 20_000 {
		if random.IntN(2) == 0 {
			at = at.Add(time.Duration(random.Int64N(int64(40*time.Hour))) - 19*time.Hour).Truncate(time.Microsecond)
		}
		if random.IntN(5) == 0 { // where a day begins or ends
			at = at.Truncate(24 * time.Hour).Add(time.Duration(random.IntN(2))*24*time.Hour - time.Duration(random.IntN(2))*time.Microsecond)
		}
		if month, e := c.place(event.MicrosOf(at)); month != Month(at) || e != edge(at) {
			t.Fatalf("%v: got %s, %d, want %s, %d", at, month, e, Month(at), edge(at))
		}
	}
}

// The months of a zone are those of a plain sum over all entries by the month in that zone.
func TestMonthsOfAZone(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, name := range []string{"UTC", "Europe/Prague", "Asia/Kathmandu", "Pacific/Kiritimati", "Etc/GMT+12", "America/St_Johns"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		rows, want := make(map[string]Row), make(map[string]int64)
		for range 2000 {
			at := time.Date(2023, 12, 20, 0, 0, random.IntN(120*24*3600), 0, time.UTC)
			amount := random.Int64N(1000)
			r := rows[Month(at)]
			if err := r.add(&Cell{Category: 1, Currency: "EUR", Edge: edge(at)}, amount); err != nil {
				t.Fatal(err)
			}
			rows[Month(at)] = r
			want[at.In(zone).Format("2006-01")] += amount
		}
		sums, err := Months(rows, zone)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]int64)
		entries := int64(0)
		for _, s := range sums {
			spent, _, _ := s.Totals("EUR")
			got[s.Month] = spent
			entries += s.Cells[0].Entries
			if len(s.Cells) != 1 || s.Cells[0].Edge != 0 {
				t.Errorf("%s %s: got cells %v", name, s.Month, s.Cells)
			}
		}
		if !maps.Equal(got, want) || entries != 2000 {
			t.Errorf("%s: got %v with %d entries, want %v", name, got, entries, want)
		}
	}
}

func TestSizes(t *testing.T) {
	c, err := codec.RowOf[Row]()
	if err != nil {
		t.Fatal(err)
	}
	var sizes [2]int
	cell := Cell{Category: int64(category.Fees), Edge: 31 * 96, Currency: "GBP", AmountMinor: -1 << 40, Entries: 8000}
	for n := range sizes {
		b, err := c.Append(nil, &Row{Cells: slices.Repeat([]Cell{cell}, n+1)})
		if err != nil {
			t.Fatal(err)
		}
		sizes[n] = len(b)
	}
	if got := sizes[1] - sizes[0]; got > 16 {
		t.Errorf("got %d bytes for a cell, want at most 16", got)
	}
}
