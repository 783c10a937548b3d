package merchants

import (
	"slices"
	"testing"

	"github.com/refold/refold/projections/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

func TestScripts(t *testing.T) { harness.Scripts(t, Definition()) }

func TestRecurring(t *testing.T) {
	month := func(merchants ...Merchant) (r Row) {
		for _, m := range merchants {
			if err := r.Add(m); err != nil {
				t.Fatal(err)
			}
		}
		return r
	}
	paid := func(name string, minor int64) Merchant {
		return Merchant{Name: name, Currency: "EUR", SpentMinor: minor, Entries: 1}
	}
	rows := map[string]Row{
		"2013-12": month(paid("rent", 900), paid("gym", 30), paid("water", 100)),
		"2014-01": month(paid("rent", 1000), paid("gym", 30), paid("shop", 10), paid("shop", 10), paid("water", 100)),
		"2014-02": month(paid("rent", 1000), paid("gym", 30), paid("shop", 10), paid("shop", 10), paid("power", 50), paid("late", 7), paid("water", 100)),
		"2014-03": month(paid("rent", 950), paid("shop", 10), paid("shop", 10), paid("power", 80), paid("late", 7), paid("water", 89)),
	}
	want := []Payment{{"gym", "EUR", 3, "2014-02", 30}, {"rent", "EUR", 4, "2014-03", 950}, {"water", "EUR", 3, "2014-02", 100}}
	if got := Recurring(rows); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	rows["2014-04"] = month(paid("late", 7))
	want = []Payment{{"late", "EUR", 3, "2014-04", 7}, {"rent", "EUR", 4, "2014-03", 950}}
	if got := Recurring(rows); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Recurring(nil); got != nil {
		t.Errorf("got %v of nothing", got)
	}
}
