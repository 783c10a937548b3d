package importer

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/refold/refold/schemas/api/bankv1"
)

var rewrite = flag.Bool("rewrite", false, "write what happened into the scripts of testdata")

// TestScripts imports the files in testdata. Each script holds the name of a format, a file, and what
// becomes of it: the commands that the bank recorded, account by account, the rejects file and the sums.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("found %d scripts, %v", len(scripts), err)
	}
	for _, path := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			script, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			question, want, _ := bytes.Cut(script, []byte("-- commands --\n"))
			got := runScript(t, string(question))
			if *rewrite {
				if err := os.WriteFile(path, append(question, "-- commands --\n"+got...), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// runScript imports the file of a script: what follows the line "-- NAME --", NAME being the format.
func runScript(t *testing.T, question string) string {
	t.Helper()
	_, question, _ = strings.Cut(question, "-- ")
	name, file, ok := strings.Cut(question, " --\n")
	if !ok {
		t.Fatal("the script has no file")
	}
	b := newBank()
	b.rejects = func(p *bankv1.PostEntryRequest) *bankv1.Rejection {
		if p.Merchant == "closed shop" {
			return &bankv1.Rejection{Reason: "ACCOUNT_CLOSED", Detail: `the account is "closed"`}
		}
		return nil
	}
	c := config(t, b.serve(t), name, file)
	s, err := Run(context.Background(), c)
	var out strings.Builder
	printCommands(&out, b.log)
	out.WriteString("-- rejects --\n")
	if rejects, err := os.ReadFile(c.Rejects); err == nil {
		out.Write(rejects)
	}
	printSummary(&out, s, err)
	return out.String()
}

// config is the config of an import of a text.
func config(t testing.TB, client bankv1.TransactionsServiceClient, format, text string) Config {
	t.Helper()
	f, err := Lookup(format)
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Client: client, Format: f, File: format + ".csv", Source: strings.NewReader(text), Size: int64(len(text)),
		Rejects: filepath.Join(t.TempDir(), "rejects.csv"),
	}
}

func printCommands(out *strings.Builder, log []*bankv1.Command) {
	account := func(c *bankv1.Command) string {
		return cmp.Or(c.GetOpenAccount().GetAccountId(), c.GetPostEntry().GetAccountId())
	}
	slices.SortStableFunc(log, func(a, b *bankv1.Command) int { return strings.Compare(account(a), account(b)) })
	for _, c := range log {
		if o := c.GetOpenAccount(); o != nil {
			fmt.Fprintf(out, "open %s %s %s overdraft %d at %s key %s historical %t\n", o.AccountId, o.Kind, o.Currency,
				o.OverdraftLimitMinor, o.OccurredAt.AsTime().Format("2006-01-02T15:04:05Z07:00"), o.IdempotencyKey, o.Historical)
			continue
		}
		p := c.GetPostEntry()
		fmt.Fprintf(out, "  post %s %d %s at %s key %s historical %t merchant %q category %q\n", p.Kind, p.AmountMinor, p.Currency,
			p.OccurredAt.AsTime().Format("2006-01-02T15:04:05Z07:00"), p.IdempotencyKey, p.Historical, p.Merchant, p.Category)
	}
}

func printSummary(out *strings.Builder, s Summary, err error) {
	fmt.Fprintf(out, "-- summary --\nrows %d accepted %d replayed %d rejected %d accounts %d bytes %d\n", s.Rows, s.Accepted, s.Replayed, s.Rejected, s.Accounts, s.Bytes)
	for _, currency := range slices.Sorted(maps.Keys(s.Sums)) {
		fmt.Fprintf(out, "%s %+v net %d\n", currency, s.Sums[currency], s.Sums[currency].NetMinor())
	}
	if err != nil {
		fmt.Fprintln(out, "error:", err)
	}
}
