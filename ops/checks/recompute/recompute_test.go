package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/ops/demo"
	"github.com/refold/refold/ops/importer"
	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/schemas/api/bankv1"
)

// data is where the whole files are, beside the checkout.
const data = "../../../../shared/data"

// bank is a bank with everything in it.
type bank struct {
	t    *testing.T
	node *node.Node
	conn *grpc.ClientConn
}

func newBank(t *testing.T) *bank {
	t.Helper()
	n, err := node.Open(t.Context(), node.Config{
		Data: t.TempDir(), Partitions: 3, Logger: slog.New(slog.DiscardHandler),
		Listen: node.Addresses{HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Kafka: "127.0.0.1:0", Registry: "127.0.0.1:0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(n.Addresses().GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return &bank{t: t, node: n, conn: conn}
}

// imports brings a file into the bank.
func (b *bank) imports(name string, file []byte) {
	b.t.Helper()
	format, err := importer.Lookup(name)
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := importer.Run(b.t.Context(), importer.Config{
		Client: bankv1.NewTransactionsServiceClient(b.conn), Format: format, File: name, Source: bytes.NewReader(file),
		Rejects: filepath.Join(b.t.TempDir(), "rejects.csv"),
	})
	if err != nil || s.Rejected > 0 || s.Rows == 0 {
		b.t.Fatalf("import %s: got %+v, %v", name, s, err)
	}
}

// agrees asks the bank, once it has folded everything, and compares.
func (b *bank) agrees(rows []row, customer string) {
	b.t.Helper()
	want := answer(rows, customer)
	if len(want) < 5 {
		b.t.Fatalf("got %q of %s, want more", want, customer)
	}
	at, err := b.node.Position(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	got, err := b.patient(customer, at)
	if err != nil {
		b.t.Fatalf("ask for %s: %v", customer, err)
	}
	more, less := differ(got, want)
	if len(more)+len(less) > 0 || len(got) != len(want) {
		b.t.Errorf("%s: the bank alone says\n%s\nthe file alone says\n%s", customer, strings.Join(more, "\n"), strings.Join(less, "\n"))
	}
	b.t.Logf("%s: %d lines, among them %q", customer, len(want), want[slices.IndexFunc(want, func(s string) bool { return s[0] == 'b' })])
}

// patient asks until the projections have come so far.
func (b *bank) patient(customer, at string) ([]string, error) {
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*time.Minute)
	defer cancel()
	for {
		got, err := ask(ctx, b.conn, customer, at)
		if code := status.Code(err); code != codes.DeadlineExceeded && code != codes.Unavailable || ctx.Err() != nil {
			return got, err
		}
	}
}

// Three customers of each whole file, the one with the most rows, one in the middle and one with few.
func TestBankSaysWhatTheFilesSay(t *testing.T) {
	if testing.Short() {
		t.Skip("whole files are not short")
	}
	for format, c := range map[string]struct{ folder, column, prefix string }{
		"birmingham": {"cards-birmingham", "card_last4", "bcc-"},
		"sparkov":    {"cards-sparkov", "acct_num", "sparkov-"},
		"berka":      {"berka", "account_id", "berka-"},
	} {
		t.Run(format, func(t *testing.T) {
			whole, err := os.ReadFile(filepath.Join(data, c.folder, "transactions.csv.gz"))
			if err != nil {
				t.Skipf("THE DATA FOLDER IS NOT BESIDE THE CHECKOUT, nothing was compared: %v", err)
			}
			ids, file := three(t, whole, c.column)
			rows, err := read(bytes.NewReader(whole), format)
			if err != nil {
				t.Fatal(err)
			}
			b := newBank(t)
			b.imports(format, file)
			for _, id := range ids {
				b.agrees(rows, c.prefix+id)
			}
		})
	}
}

// three returns three of the values of a column, and the rows that have one of them.
func three(t *testing.T, whole []byte, column string) (ids []string, file []byte) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(z).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.Index(records[0], column)
	count := make(map[string]int)
	for _, r := range records[1:] {
		count[r[at]]++
	}
	var all []string
	for id, n := range count {
		if n >= 20 {
			all = append(all, id)
		}
	}
	slices.SortFunc(all, func(a, b string) int {
		if d := count[b] - count[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	ids = []string{all[0], all[len(all)/2], all[len(all)-1]}
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	for i, r := range records {
		if i == 0 || slices.Contains(ids, r[at]) {
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.Flush()
	return ids, out.Bytes()
}

// What the repository carries: the excerpt of the demonstration, and samples in the other two forms that are
// made up.
func TestBankSaysWhatTheSamplesSay(t *testing.T) {
	b := newBank(t)
	for format, customers := range map[string][]string{
		"birmingham": {demo.Customer, "bcc-4243", "bcc-8192"},
		"sparkov":    {"sparkov-1", "sparkov-2", "sparkov-3"},
		"berka":      {"berka-1", "berka-2", "berka-3"},
	} {
		file := demo.Birmingham
		if format != demo.Format {
			var err error
			if file, err = os.ReadFile(filepath.Join("testdata", format+".csv")); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := read(bytes.NewReader(file), format)
		if err != nil {
			t.Fatal(err)
		}
		b.imports(format, file)
		for _, customer := range customers {
			b.agrees(rows, customer)
		}
	}
}

// The program as it is called: against a bank that has another file, it says what differs.
func TestDifferencesAreSaid(t *testing.T) {
	b := newBank(t)
	file, err := os.ReadFile("testdata/sparkov.csv")
	if err != nil {
		t.Fatal(err)
	}
	b.imports("sparkov", file)
	b.agrees(must(t, file), "sparkov-1")
	var out bytes.Buffer
	args := []string{"-format", "sparkov", "-file", "testdata/sparkov.csv", "-server", b.node.Addresses().GRPC, "sparkov-1"}
	if err := run(t.Context(), &out, args); err != nil || !strings.Contains(out.String(), "the bank says the same") {
		t.Errorf("got %v, %q", err, out.String())
	}
	lines := bytes.SplitAfter(file, []byte("\n"))
	last := len(lines) - 1
	for !bytes.Contains(lines[last], []byte(",1,2024-")) {
		last--
	}
	fewer := filepath.Join(t.TempDir(), "fewer.csv")
	if err := os.WriteFile(fewer, bytes.Join(slices.Delete(lines, last, last+1), nil), 0o600); err != nil {
		t.Fatal(err)
	}
	args[3] = fewer
	out.Reset()
	if err := run(t.Context(), &out, args); !errors.Is(err, errDiffers) || !strings.Contains(out.String(), "bank only: balance sparkov-1.card") {
		t.Errorf("got %v, %q, want a difference", err, out.String())
	}
}

func must(t *testing.T, file []byte) []row {
	t.Helper()
	rows, err := read(bytes.NewReader(file), "sparkov")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
