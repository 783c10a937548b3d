package importer

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/refold/refold/ops/demo"
)

// data is where the files of real and made-up transactions are, beside the checkout.
const data = "../../../shared/data"

// TestRunImportsData imports the three data files whole and compares count and sum of every account with
// those that encoding/csv and a few lines of this test read from the same file.
func TestRunImportsData(t *testing.T) {
	if testing.Short() {
		t.Skip("600,000 rows are not short")
	}
	for format, c := range map[string]struct {
		folder, currency string
		rows             int64
		entry            func(map[string]string) (account string, minor int64)
	}{
		"birmingham": {"cards-birmingham", "GBP", 127_098, func(r map[string]string) (string, int64) {
			return "bcc-" + r["card_last4"] + ".card", -number(r["amount_minor"])
		}},
		"sparkov": {"cards-sparkov", "USD", 458_734, func(r map[string]string) (string, int64) {
			return "sparkov-" + r["acct_num"] + ".card", -number(strings.Replace(r["amount_usd"], ".", "", 1))
		}},
		"berka": {"berka", "CZK", 14_827, func(r map[string]string) (string, int64) {
			minor := number(r["amount_minor"])
			if r["direction"] == "debit" {
				minor = -minor
			}
			return "berka-" + r["account_id"] + ".current", minor
		}},
	} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(data, c.folder, "transactions.csv.gz")
			if _, err := os.Stat(path); err != nil {
				t.Skipf("the data folder is not beside the checkout: %v", err)
			}
			want := make(map[string]*holding)
			var net int64
			readData(t, path, func(r map[string]string) {
				account, minor := c.entry(r)
				h := want[account]
				if h == nil {
					h = &holding{currency: c.currency}
					want[account] = h
				}
				h.count, h.minor, net = h.count+1, h.minor+minor, net+minor
			})
			b := newBank()
			run := config(t, b.serve(t), format, "")
			run.File, run.Source = path, nil
			s, err := Run(context.Background(), run)
			if err != nil || s.Rows != c.rows || s.Accepted != c.rows || s.Accounts != len(want) {
				t.Errorf("Run = %+v, %v, want %d rows accepted in %d accounts", s, err, c.rows, len(want))
			}
			if got := s.Sums[c.currency]; got.Count != c.rows || got.NetMinor() != net {
				t.Errorf("sum = %+v, want %d rows and %d net", got, c.rows, net)
			}
			if !maps.EqualFunc(b.accounts, want, func(a, b *holding) bool { return *a == *b }) {
				t.Errorf("the accounts differ: %s", difference(b.accounts, want))
			}
			t.Logf("%d rows in %s", s.Rows, s.Elapsed)
		})
	}
}

// The excerpt that the repository carries is imported whole, and its customer has the account that the
// demonstration asks for.
func TestRunImportsDemo(t *testing.T) {
	t.Parallel()
	b := newBank()
	c := config(t, b.serve(t), demo.Format, string(demo.Birmingham))
	s, err := Run(context.Background(), c)
	want := Sum{Count: 4852, InMinor: 1_940_613, OutMinor: 69_385_338, Refunds: 105, RefundsMinor: 1_940_613}
	if err != nil || s.Rejected != 0 || s.Accounts != 6 || s.Sums["GBP"] != want {
		t.Errorf("Run = %+v, %v, want 6 accounts and %+v", s, err, want)
	}
	if got := b.accounts[demo.Account]; got == nil || got.count != 895 {
		t.Errorf("%s has %+v, want 895 entries", demo.Account, got)
	}
}

// readData reads a compressed CSV file and calls each with every row by column name. The map is used again.
func readData(t *testing.T, path string, each func(map[string]string)) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(z)
	header, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	r.ReuseRecord = true
	header, row := append([]string(nil), header...), make(map[string]string)
	for {
		fields, err := r.Read()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range header {
			row[name] = fields[i]
		}
		each(row)
	}
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// difference names one account in which two sets differ.
func difference(got, want map[string]*holding) string {
	for account, w := range want {
		if g := got[account]; g == nil || *g != *w {
			return fmt.Sprintf("%s has %+v, want %+v", account, g, w)
		}
	}
	return fmt.Sprintf("%d accounts, want %d", len(got), len(want))
}
