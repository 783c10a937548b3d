package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var anyPort = []string{"--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--kafka", "127.0.0.1:0", "--registry", "127.0.0.1:0",
	"--operators", "127.0.0.1:0"}

// months returns what a customer spent, without how fresh the answer is.
func (p *process) months(customer string) string {
	p.t.Helper()
	status, body := p.get("/v1/customers/" + customer + "/spending")
	var answer struct{ Months json.RawMessage }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		p.t.Fatalf("%d %s: %v", status, body, err)
	}
	return string(answer.Months)
}

func TestDemoReplayPromoteRollback(t *testing.T) {
	data := t.TempDir()
	p := up(t, data, "refold", "--demo") // the last line of the demo
	if out := well(t, data, "inbox", "list", "bcc-2968"); !strings.Contains(out, "a purchase of 640.00 GBP") || !strings.Contains(out, "1 unread") {
		t.Errorf("got the inbox %s", out)
	}
	before := p.months("bcc-2968")
	if len(before) < 1000 {
		t.Errorf("got %s", before)
	}
	var op struct {
		Verification struct{ Rows, Differences, Digest, LiveDigest string }
	}
	plan := planned(t, data)
	if err := json.Unmarshal([]byte(well(t, data, "replay", "start", "spending", "--from", "beginning", "--plan", plan, "--json")), &op); err != nil {
		t.Fatal(err)
	}
	if v := op.Verification; v.Rows == "0" || v.Differences != "0" || v.Digest == "" {
		t.Errorf("got %+v", v)
	}
	steer(t, data)
	for _, step := range []struct {
		verb string
		live string
	}{{"promote", `"live": "2"`}, {"rollback", `"live": "1"`}} {
		if out := well(t, data, step.verb, "spending", "--json"); !strings.Contains(out, step.live) {
			t.Errorf("%s: got %s, want %s", step.verb, out, step.live)
		}
		if got := p.months("bcc-2968"); got != before {
			t.Errorf("after %s: got %s, want %s", step.verb, got, before)
		}
	}
	checkCertificate(t, data)
	checkSnapshot(t, data)
	if out := well(t, data, "why", "balances", "bcc-2968", "bcc-2968.card"); !strings.Contains(out, "EntryPosted") {
		t.Errorf("why: got %s", out)
	}
	if out := well(t, data, "why", "balances", "bcc-2968", "bcc-2968.card", "--at", "1990-01-01T00:00:00Z"); !strings.Contains(out, "none") {
		t.Errorf("why before it was opened: got %s", out)
	}
	well(t, data, "promote", "spending")
	if code, _, stderr := refold(t, data, "cancel", "spending"); code == 0 || !strings.Contains(stderr, "no replay") {
		t.Errorf("cancel what stands by: got %d, %q", code, stderr)
	}
	if code, _, stderr := refold(t, data, "replay", "spending", "--from", "end"); code != exitUsage || !strings.Contains(stderr, "beginning") {
		t.Errorf("replay from the end: got %d, %q", code, stderr)
	}
	if out := well(t, data, "status"); !strings.Contains(out, "spending") || !strings.Contains(out, "live") {
		t.Errorf("got status %s", out)
	}
	if out := well(t, data, "verify"); strings.Count(out, ": 0 problems") != 2 {
		t.Errorf("got %s, want that of the journal and of the model", out)
	}
	p.stop()
}

// planned plans a replay of spending in every form and returns the plan's hash.
func planned(t *testing.T, data string) string {
	t.Helper()
	var plan struct{ Hash string }
	if err := json.Unmarshal([]byte(well(t, data, "replay", "spending", "--plan", "--json")), &plan); err != nil {
		t.Fatal(err)
	}
	if out := well(t, data, "replay", "spending", "--plan"); !strings.Contains(out, "refold replay start spending --plan "+plan.Hash) || !strings.Contains(out, "kafka") {
		t.Errorf("got plan %s", out)
	}
	if code, _, stderr := refold(t, data, "replay", "start", "spending", "--plan", plan.Hash, "--key", "bcc-2968"); code != exitFailed || !strings.Contains(stderr, "plan it again") {
		t.Errorf("another plan: got %d, %q", code, stderr)
	}
	return plan.Hash
}

// steer pauses, resumes, retries, watches and lists the replay of spending.
func steer(t *testing.T, data string) {
	t.Helper()
	for _, verb := range []string{"pause", "resume", "retry", "watch"} {
		if out := well(t, data, "replay", verb, "spending"); !strings.HasPrefix(out, "spending-2: ") {
			t.Errorf("%s: got %s", verb, out)
		}
	}
	if out := well(t, data, "replay", "list", "spending"); !strings.Contains(out, "spending-2") || strings.Contains(out, "spending-1") {
		t.Errorf("got list %s", out)
	}
}

// checkSnapshot makes a snapshot, and a replay that begins with it and is cancelled.
func checkSnapshot(t *testing.T, data string) {
	t.Helper()
	name, _, _ := strings.Cut(well(t, data, "snapshot", "create", "spending", "--reason", "to begin with"), ":")
	if out := well(t, data, "snapshot", "list", "spending"); !strings.Contains(out, name) || !strings.Contains(out, "to begin with") {
		t.Errorf("got %s, want %s", out, name)
	}
	if out := well(t, data, "replay", "spending", "--from", "snapshot", "--plan"); !strings.Contains(out, "snapshot "+name) {
		t.Errorf("got %s, want one that begins with %s", out, name)
	}
	well(t, data, "replay", "spending", "--from", "snapshot")
	well(t, data, "cancel", "spending-3")
	if out := well(t, data, "drill", "spending"); !strings.Contains(out, "0 of their rows have drifted") {
		t.Errorf("got %s", out)
	}
}

// checkCertificate promotes the replay of spending, verifies its certificate, and goes back.
func checkCertificate(t *testing.T, data string) {
	t.Helper()
	well(t, data, "promote", "spending", "--reason", "it is right")
	doc := well(t, data, "certificate", "show", "spending-2")
	file := filepath.Join(t.TempDir(), "certificate.json")
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := well(t, data, "certificate", "verify", file); !strings.Contains(out, "it is right") || !strings.Contains(out, "bank.transactions/0") {
		t.Errorf("got %s", out)
	}
	if code, _, stderr := refold(t, data, "certificate", "verify", file, "--key", "another"); code != exitNotAllWell || !strings.Contains(stderr, "signed by") {
		t.Errorf("by another key: got %d, %q", code, stderr)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(doc, "it is right", "it is wrong", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := refold(t, data, "certificate", "verify", file); code != exitNotAllWell {
		t.Errorf("a forged one: got %d", code)
	}
	well(t, data, "rollback", "spending")
}

func TestWriteAndReadBack(t *testing.T) {
	data := t.TempDir()
	p := up(t, data, "Data")
	for _, c := range []struct {
		path, key, body string
		status          int
		want            string
	}{
		{"/v1/accounts", "open", `{"account_id": "alice.main", "kind": "ACCOUNT_KIND_CURRENT", "currency": "EUR"}`, 200, `"account_id":"alice.main"`},
		{"/v1/entries", "in", `{"account_id": "alice.main", "kind": "ENTRY_KIND_DEPOSIT", "amount_minor": 1000, "currency": "EUR"}`, 200, `"balance_after_minor":"1000"`},
		{"/v1/entries", "in", `{"account_id": "alice.main", "kind": "ENTRY_KIND_DEPOSIT", "amount_minor": 1000, "currency": "EUR"}`, 200, `"replayed":true`},
		{"/v1/entries", "in", `{"account_id": "alice.main", "kind": "ENTRY_KIND_DEPOSIT", "amount_minor": 1001, "currency": "EUR"}`, 409, "IDEMPOTENCY_KEY_REUSED"},
		{"/v1/entries", "out", `{"account_id": "alice.main", "kind": "ENTRY_KIND_WITHDRAWAL", "amount_minor": 1001, "currency": "EUR"}`, 400, "INSUFFICIENT_FUNDS"},
		{"/v1/entries", "bad", `{"account_id": "alice.main", "kind": "ENTRY_KIND_WITHDRAWAL", "amount_minor": 1.5, "currency": "EUR"}`, 400, "amount"},
		{"/v1/entries", "odd", `{"account_id": "alice.main", "kind": "ENTRY_KIND_WITHDRAWAL", "amount_minor": 1, "currency": "XXQ"}`, 400, "CURRENCY"},
		{"/v1/entries", "", `{"account_id": "alice.main", "kind": "ENTRY_KIND_WITHDRAWAL", "amount_minor": 1, "currency": "EUR"}`, 400, "idempotency_key"},
	} {
		status, body := p.post(c.path, c.key, c.body)
		if status != c.status || !strings.Contains(strings.ReplaceAll(body, ": ", ":"), c.want) {
			t.Errorf("%s %s: got %d %s, want %d %s", c.path, c.body, status, body, c.status, c.want)
		}
	}
	status, body := p.get("/v1/customers/alice/entries:byKey?idempotency_key=in")
	var recorded struct {
		Posted struct{ Record struct{ Position string } }
	}
	if err := json.Unmarshal([]byte(body), &recorded); err != nil || status != 200 {
		t.Fatalf("%d %s: %v", status, body, err)
	}
	status, body = p.get("/v1/accounts/alice.main?min_position=" + recorded.Posted.Record.Position)
	if status != 200 || !strings.Contains(strings.ReplaceAll(body, ": ", ":"), `"balance_minor":"1000"`) {
		t.Errorf("got %d %s", status, body)
	}
	out := well(t, data, "tail", "bank.transactions", "--from", "beginning")
	if n := strings.Count(out, "\n"); n != 4 || !strings.Contains(out, `"type":"bank.CommandRejected"`) {
		t.Errorf("got %d records: %s", n, out)
	}
	p.stop()
}

// cards writes a file of n purchases of 1, 2, 3 … pence, on ten cards.
func cards(t *testing.T, n int) (file string, sum int) {
	t.Helper()
	var b strings.Builder
	b.WriteString("txn_id,trans_date,card_last4,merchant,amount_minor,currency,category\n")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, "T%d,2015-03-%02d,%04d,a shop,%d,GBP,food\n", i, i%28+1, i%10, i)
		sum += i
	}
	file = filepath.Join(t.TempDir(), "cards.csv")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return file, sum
}

// spent adds up what the ten cards of cards spent.
func (p *process) spent() (sum int) {
	p.t.Helper()
	for card := range 10 {
		var months []struct {
			Categories []struct {
				SpentMinor int `json:"spent_minor,string"`
			}
		}
		if err := json.Unmarshal([]byte(p.months(fmt.Sprintf("bcc-%04d", card))), &months); err != nil {
			p.t.Fatal(err)
		}
		for _, m := range months {
			for _, c := range m.Categories {
				sum += c.SpentMinor
			}
		}
	}
	return sum
}

func TestKillInTheMiddleOfAnImport(t *testing.T) {
	data := t.TempDir()
	file, want := cards(t, 20_000)
	p := up(t, data, "Data")
	importing := make(chan int)
	go func() {
		code := run(t.Context(), []string{"import", file, "--format", "birmingham", "--server", p.GRPC, "--data", data}, strings.NewReader(""), io.Discard, io.Discard)
		importing <- code
	}()
	until(t, "some rows are posted", func() bool { return p.spent() > 0 })
	p.kill()
	p = up(t, data, "Data", "--grpc", p.GRPC) // the import that goes on finds it there
	if code := <-importing; code != 0 {
		t.Errorf("the import that was disturbed: exit code %d", code)
	}
	out := well(t, data, "import", file, "--format", "birmingham")
	if !strings.Contains(out, "20000 were there already") {
		t.Errorf("imported again: got %s", out)
	}
	until(t, "everything is folded", func() bool { return p.spent() == want })
	if out := well(t, data, "verify"); !strings.Contains(out, ": 0 problems") {
		t.Errorf("got %s", out)
	}
	p.stop()
}

func TestBadInput(t *testing.T) {
	data := t.TempDir()
	p := up(t, data, "Data", "--partitions", "3")
	bad := filepath.Join(t.TempDir(), "bad.csv")
	if err := os.WriteFile(bad, []byte("txn_id,trans_date,card_last4,merchant,amount_minor,currency,category\nA,2015-01-01,1,x,5,GBP,c\nB,2015-01-01,1,x,5,QQQ,c\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	rejects := filepath.Join(t.TempDir(), "rejects.csv")
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"second up":        {append([]string{"up"}, anyPort...), exitFailed, "another refold works in this data folder"},
		"unknown format":   {[]string{"import", bad, "--format", "x"}, exitUsage, "--format"},
		"rejected rows":    {[]string{"import", bad, "--format", "birmingham", "--rejects", rejects}, exitNotAllWell, "1 of 2 rows were rejected"},
		"no file":          {[]string{"import", "none.csv", "--format", "sparkov"}, exitFailed, "none.csv"},
		"unknown replay":   {[]string{"replay", "nothing"}, exitUsage, "no such projection"},
		"nothing to go to": {[]string{"rollback", "spending"}, exitFailed, "no generation of spending to go back to"},
		"unknown command":  {[]string{"fly"}, exitUsage, "fly"},
		"unknown role":     {[]string{"up", "--role", "clerk"}, exitUsage, "clerk"},
		"unknown rows":     {[]string{"up", "--rows", "disk"}, exitUsage, "--rows"},
		"too many words":   {[]string{"status", "now"}, exitUsage, "status"},
		"unknown part":     {[]string{"verify", "bogus"}, exitUsage, `"verify bogus": see refold help verify`},
	} {
		code, _, stderr := refold(t, data, c.args...)
		if code != c.code || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: got exit code %d, %q, want %d, %q", name, code, stderr, c.code, c.want)
		}
	}
	for kafka, want := range map[string]string{"127.0.0.1:1": "no broker answers at 127.0.0.1:1: ", p.Kafka: "--partitions N"} {
		code, _, stderr := refold(t, t.TempDir(), "serve", "--role", "projections", "--kafka", kafka, "--registry-url", p.Registry,
			"--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--operators", "127.0.0.1:0")
		if code != exitFailed || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("a broker at %s: got %d, %q, want %q", kafka, code, stderr, want)
		}
	}
	busy := append([]string{"up", "--http", p.HTTP}, anyPort[2:]...)
	if code, _, stderr := refold(t, t.TempDir(), busy...); code != exitFailed || !strings.Contains(stderr, p.HTTP) {
		t.Errorf("port in use: got %d, %q", code, stderr)
	}
	p.stop()
}

// Help fits into a terminal of a hundred columns.
func TestHelpIsNarrow(t *testing.T) {
	var look func(cmd *cobra.Command)
	look = func(cmd *cobra.Command) {
		out := &bytes.Buffer{}
		cmd.SetOut(out)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if len(line) > maxColumns+1 {
				t.Errorf("%s: %d columns: %s", cmd.CommandPath(), len(line)-1, line)
			}
		}
		for _, c := range cmd.Commands() {
			look(c)
		}
	}
	look((&cli{}).root())
}

func TestNewerDataFolder(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "refold.json"), []byte(`{"version": 99, "instance": "x"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := refold(t, data, append([]string{"up"}, anyPort...)...); code != exitFailed || !strings.Contains(stderr, "newer version") {
		t.Errorf("got %d, %q", code, stderr)
	}
}

func TestReset(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := up(t, data, "Data")
	if code, _, stderr := refoldWith(t, data+"\n", data, "reset"); code == 0 || !strings.Contains(stderr, "another refold") {
		t.Errorf("while it runs: got %d, %q", code, stderr)
	}
	p.stop()
	if code, _, _ := refoldWith(t, "no\n", data, "reset"); code != exitUsage {
		t.Errorf("not confirmed: got %d", code)
	}
	if code, _, stderr := refoldWith(t, data+"\n", data, "reset"); code != 0 {
		t.Errorf("confirmed: got %d, %q", code, stderr)
	}
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("the folder is there: %v", err)
	}
}
