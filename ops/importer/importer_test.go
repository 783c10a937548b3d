package importer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/refold/refold/schemas/api/bankv1"
)

const birminghamHeader = "txn_id,trans_date,card_last4,merchant,amount_minor,currency,category\n"

// rows makes n rows of as many accounts as asked for. Row i has the key K<i> and the amount i, from 1.
func rows(n, accounts int) string {
	var b strings.Builder
	b.WriteString(birminghamHeader)
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "K%d,2014-04-01,%04d,shop,%d,GBP,Books\n", i, i%accounts, i)
	}
	return b.String()
}

// checkOnce checks that the bank recorded each of the n rows of a file once, those of an account in order,
// and rejected none.
func checkOnce(t *testing.T, b *bank, n int) {
	t.Helper()
	var sum, count int64
	last := make(map[string]int64)
	for _, c := range b.log {
		p := c.GetPostEntry()
		if p == nil {
			continue
		}
		if p.AmountMinor < last[p.AccountId] {
			t.Errorf("%s of %s is behind the row of amount %d", p.IdempotencyKey, p.AccountId, last[p.AccountId])
		}
		last[p.AccountId] = p.AmountMinor
	}
	for _, h := range b.accounts {
		sum, count = sum-h.minor, count+h.count
	}
	if want := int64(n) * int64(n+1) / 2; count != int64(n) || sum != want {
		t.Errorf("the bank has %d entries that sum to %d, want %d and %d", count, sum, n, want)
	}
}

func TestRunSendsBatches(t *testing.T) {
	t.Parallel()
	b := newBank()
	c := config(t, b.serve(t), "birmingham", rows(1000, 7))
	c.Batch, c.InFlight = 50, 3
	s, err := Run(context.Background(), c)
	if err != nil || s.Rows != 1000 || s.Accepted != 1000 || s.Rejected != 0 || s.Accounts != 7 {
		t.Errorf("Run = %+v, %v, want 1000 rows accepted in 7 accounts", s, err)
	}
	checkOnce(t, b, 1000)
	if b.largest > 50 || b.commands != 1007 {
		t.Errorf("got %d commands, at most %d in a message, want 1007 and at most 50", b.commands, b.largest)
	}
	if _, err := os.Stat(c.Rejects); !errors.Is(err, os.ErrNotExist) || s.RejectsFile != "" {
		t.Errorf("rejects file %q: %v, want none", s.RejectsFile, err)
	}
}

func TestRunAgainReplays(t *testing.T) {
	t.Parallel()
	b := newBank()
	client := b.serve(t)
	first, err := Run(context.Background(), config(t, client, "birmingham", rows(300, 5)))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Run(context.Background(), config(t, client, "birmingham", rows(400, 5)))
	if err != nil || again.Replayed != 300 || again.Accepted != 100 || again.Rejected != 0 {
		t.Errorf("Run again = %+v, %v, want 300 rows replayed and 100 accepted", again, err)
	}
	if got, want := first.Sums["GBP"].OutMinor, int64(300*301/2); got != want {
		t.Errorf("first sum = %d, want %d", got, want)
	}
	if got, want := again.Sums["GBP"].OutMinor, int64(400*401/2); got != want {
		t.Errorf("second sum = %d, want %d", got, want)
	}
	checkOnce(t, b, 400)
}

// A file that begins later opens its accounts at another time, which the bank refuses; the accounts are
// there all the same.
func TestRunContinuesAccountOfOtherFile(t *testing.T) {
	t.Parallel()
	b := newBank()
	client := b.serve(t)
	for i, text := range []string{
		"K1,2014-04-01,5044,shop,1,GBP,Books\n",
		"K2,2014-05-01,5044,shop,2,GBP,Books\n",
	} {
		s, err := Run(context.Background(), config(t, client, "birmingham", birminghamHeader+text))
		if err != nil || s.Accepted != 1 || s.Rejected != 0 {
			t.Errorf("Run of file %d = %+v, %v, want one row accepted", i, s, err)
		}
	}
	checkOnce(t, b, 2)
}

// What is wrong with a row of an account that is not there is told with why it was not opened.
func TestRunTellsWhyAccountIsMissing(t *testing.T) {
	t.Parallel()
	b := newBank()
	b.records["bcc-5044 open"] = record{}
	c := config(t, b.serve(t), "birmingham", birminghamHeader+"K1,2014-04-01,5044,shop,1,GBP,Books\n")
	s, err := Run(context.Background(), c)
	if err != nil || s.Rejected != 1 || s.RejectsFile != c.Rejects {
		t.Errorf("Run = %+v, %v, want one row rejected to %s", s, err, c.Rejects)
	}
	got, _ := os.ReadFile(c.Rejects)
	want := "2,ACCOUNT_NOT_FOUND,there is no account bcc-5044.card (opening bcc-5044.card was refused: IDEMPOTENCY_KEY_REUSED: key open was used for other content),"
	if !strings.Contains(string(got), want) {
		t.Errorf("rejects file is %q, want %q in it", got, want)
	}
}

func TestRunRefusesConfig(t *testing.T) {
	t.Parallel()
	good := config(t, newBank().serve(t), "birmingham", rows(1, 1))
	for name, change := range map[string]func(*Config){
		"no client":     func(c *Config) { c.Client = nil },
		"no format":     func(c *Config) { c.Format = Format{} },
		"large batch":   func(c *Config) { c.Batch = maxBatch + 1 },
		"below zero":    func(c *Config) { c.InFlight = -1 },
		"no patience":   func(c *Config) { c.Patience = -1 },
		"rejects file":  func(c *Config) { c.Rejects, c.Source = t.TempDir(), strings.NewReader(birminghamHeader+"torn\n") },
		"rejects is it": func(c *Config) { c.Rejects, c.File, c.Source = sameFile(t), "", nil; c.File = c.Rejects },
	} {
		c := good
		change(&c)
		if s, err := Run(context.Background(), c); err == nil {
			t.Errorf("%s: Run = %+v, want an error", name, s)
		}
	}
}

// sameFile writes a file with a row that is to be rejected.
func sameFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "same.csv")
	text := birminghamHeader + "torn\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("the file is %q, %v, want %q", got, err, text)
		}
	})
	return path
}

func TestRunReportsProgress(t *testing.T) {
	t.Parallel()
	b := newBank()
	b.absent = func(n int, _ *bankv1.Command) bool { return n%20 == 0 }
	text := rows(200, 3)
	c := config(t, b.serve(t), "birmingham", text)
	c.Batch, c.InFlight = 10, 1
	var got []Progress
	c.Progress = func(p Progress) { got = append(got, p) }
	s, err := Run(context.Background(), c)
	if err != nil || len(got) == 0 {
		t.Fatalf("Run = %v with %d reports, want some", err, len(got))
	}
	last := got[len(got)-1]
	if last.Rows != 200 || last.Accepted != 200 || last.Bytes != int64(len(text)) || last.TotalBytes != last.Bytes || last.ETA != 0 || last.Rate <= 0 || last.Waiting != "" {
		t.Errorf("last report = %+v, want 200 rows accepted and no time left", last)
	}
	if most := 2 + int(s.Elapsed/reportEvery); len(got) > most {
		t.Errorf("got %d reports in %s, want at most %d", len(got), s.Elapsed, most)
	}
	if !slices.ContainsFunc(got, func(p Progress) bool { return p.Waiting == "the bank is unavailable: the partition moves" }) {
		t.Errorf("no report says that the import waits: %+v", got)
	}
}

func TestSumHoldsAtMaximum(t *testing.T) {
	s := Sum{InMinor: 1<<63 - 2, RefundsMinor: 1<<63 - 1}
	s.add(&bankv1.PostEntryRequest{Kind: bankv1.EntryKind_ENTRY_KIND_REFUND, AmountMinor: 2})
	if want := (Sum{Count: 1, InMinor: 1<<63 - 1, Refunds: 1, RefundsMinor: 1<<63 - 1}); s != want {
		t.Errorf("sum = %+v, want %+v", s, want)
	}
}

func TestRejectsName(t *testing.T) {
	for file, want := range map[string]string{
		"data/transactions.csv.gz": "transactions.rejects.csv",
		"transactions.csv":         "transactions.rejects.csv",
		"/a/b/export":              "export.rejects.csv",
	} {
		if got := rejectsName(file); got != want {
			t.Errorf("rejectsName(%q) = %q, want %q", file, got, want)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, name := range Names() {
		if f, err := Lookup(name); err != nil || f.Name() != name {
			t.Errorf("Lookup(%q) = %q, %v, want %q", name, f.Name(), err, name)
		}
	}
	if _, err := Lookup("visa"); err == nil || !strings.Contains(err.Error(), strings.Join(Names(), ", ")) {
		t.Errorf("Lookup = %v, want an error that lists %v", err, Names())
	}
}
