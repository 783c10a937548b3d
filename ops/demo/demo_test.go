package demo

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"flag"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "make the excerpt again from the whole data set")

// whole is the data set of which the excerpt is a part, beside the checkout.
const whole = "../../../shared/data/cards-birmingham/transactions.csv.gz"

// The rule by which rows and columns were chosen.
func cards() []string { return []string{"2968", "4243", "5412", "6034", "6387", "8192"} }

func columns() []string {
	return []string{"txn_id", "trans_date", "card_last4", "merchant", "amount_minor", "currency", "category"}
}

func TestExcerptIsWhatTheRuleTakes(t *testing.T) {
	f, err := os.Open(whole)
	if err != nil {
		t.Skipf("the whole data set is not beside the checkout: %v", err)
	}
	defer f.Close()
	want := excerpt(t, read(t, f))
	if *rewrite {
		if err := os.WriteFile(Name, pack(t, want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := read(t, bytes.NewReader(Birmingham)); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("the excerpt has %d rows, want %d, or their values differ", len(got), len(want))
	}
}

// The demonstration shows refunds, several cards with many rows, and spending over months and categories.
func TestExcerptShowsEnough(t *testing.T) {
	perCard, months, categories := make(map[string]int), make(map[string]bool), make(map[string]bool)
	refunds, last := 0, ""
	got := read(t, bytes.NewReader(Birmingham))
	if !slices.Equal(got[0], columns()) {
		t.Fatalf("header = %q, want %q", got[0], columns())
	}
	for _, row := range got[1:] {
		date, card, amount, category := row[1], row[2], row[4], row[6]
		perCard["bcc-"+card]++
		categories[category] = true
		if "bcc-"+card == Customer {
			months[date[:7]] = true
		}
		if strings.HasPrefix(amount, "-") {
			refunds++
		}
		if date < last {
			t.Errorf("%s is behind %s", date, last)
		}
		last = date
	}
	if len(got) != 1+4852 || len(perCard) != len(cards()) || refunds != 105 {
		t.Errorf("got %d rows of %d cards with %d refunds, want 4852, %d and 105", len(got)-1, len(perCard), refunds, len(cards()))
	}
	if perCard[Customer] < 500 || len(months) < 30 || len(categories) < 40 {
		t.Errorf("%s has %d rows in %d months, all have %d categories, want 500, 30 and 40", Customer, perCard[Customer], len(months), len(categories))
	}
}

// The purchase is news: it comes behind all that is history.
func TestThePurchaseIsNews(t *testing.T) {
	rows := read(t, bytes.NewReader(Birmingham))
	last := rows[len(rows)-1][1]
	p := Purchase()
	if day := p.GetOccurredAt().AsTime().Format(time.DateOnly); day <= last || p.GetHistorical() {
		t.Errorf("it is made on %s and historical: %t, and the last row is of %s", day, p.GetHistorical(), last)
	}
}

// The file says nothing about when and where it was made, so that making it again changes nothing.
func TestExcerptIsDeterministic(t *testing.T) {
	z, err := gzip.NewReader(bytes.NewReader(Birmingham))
	if err != nil {
		t.Fatal(err)
	}
	if !z.ModTime.IsZero() || z.Name != "" || z.Comment != "" {
		t.Errorf("gzip header = %+v, want it empty", z.Header)
	}
}

func TestAttribution(t *testing.T) {
	const want = "Contains public sector information licensed under the Open Government Licence v3.0."
	got, err := os.ReadFile("ATTRIBUTION.md")
	if err != nil || !strings.Contains(string(got), want) {
		t.Errorf("ATTRIBUTION.md is %q, %v, want %q in it", got, err, want)
	}
}

// excerpt takes the chosen columns of the rows of the chosen cards, below the header.
func excerpt(t *testing.T, rows [][]string) [][]string {
	t.Helper()
	var at []int
	for _, column := range columns() {
		i := slices.Index(rows[0], column)
		if i < 0 {
			t.Fatalf("the whole data set has no column %s", column)
		}
		at = append(at, i)
	}
	taken := [][]string{columns()}
	for _, row := range rows[1:] {
		if !slices.Contains(cards(), row[at[2]]) {
			continue
		}
		var part []string
		for _, i := range at {
			part = append(part, row[i])
		}
		taken = append(taken, part)
	}
	return taken
}

func read(t *testing.T, r io.Reader) [][]string {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func pack(t *testing.T, rows [][]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if err := csv.NewWriter(z).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
