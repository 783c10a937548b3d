package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refold/refold/ops/evaluation"
)

// loans writes the files of the PKDD'99 challenge for accounts whose lives differ by their number. Loans are
// granted on 1997-01-20; transactions.csv.gz holds what happened afterwards as well, known.csv.gz does not.
func loans(t *testing.T, accounts int) (folder string) {
	t.Helper()
	folder = t.TempDir()
	var transactions, loans strings.Builder
	transactions.WriteString("account_id,trans_id,date,direction,operation,purpose,amount_minor\n")
	loans.WriteString("loan_id,account_id,granted,status\n")
	for a := range accounts {
		row := func(n int, date, direction, purpose string, amount int) {
			fmt.Fprintf(&transactions, "%d,%d,%s,%s,,%s,%d\n", a, 100*a+n, date, direction, purpose, amount)
		}
		row(1, "1996-01-10", "credit", "", 50_000)
		for month := 2; month <= 12; month++ {
			row(2*month, fmt.Sprintf("1996-%02d-05", month), "credit", "", 1_000_000)
			row(2*month+1, fmt.Sprintf("1996-%02d-25", month), "debit", "household", 900_000+10_000*(a%20))
		}
		if a%4 == 0 {
			row(40, "1996-08-31", "debit", "sanction_interest", 1_000)
		}
		fmt.Fprintf(&loans, "%d,%d,1997-01-20,%c\n", a, a, "BACD"[a%4])
	}
	zip(t, filepath.Join(folder, "known.csv.gz"), transactions.String())
	for a := range accounts {
		fmt.Fprintf(&transactions, "%d,%d,1997-01-21,debit,,,5000000\n", a, 100*a+50)
	}
	zip(t, filepath.Join(folder, "transactions.csv.gz"), transactions.String())
	zip(t, filepath.Join(folder, "loans.csv.gz"), loans.String())
	return folder
}

func zip(t *testing.T, file, text string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEvaluate(t *testing.T) {
	folder := loans(t, 40)
	var r evaluation.Report
	if err := json.Unmarshal([]byte(well(t, folder, "score", "evaluate", "--json")), &r); err != nil {
		t.Fatal(err)
	}
	if r.Good != 20 || r.Bad != 20 || r.AUC <= 0.5 || r.Low > r.AUC || r.High < r.AUC || len(r.Factors) != 8 {
		t.Errorf("got %+v", r)
	}
	if out := well(t, folder, "score", "evaluate"); !strings.Contains(out, fmt.Sprintf("AUC, good above bad: %.3f", r.AUC)) || !strings.Contains(out, "overdrafts") {
		t.Errorf("got %s", out)
	}
	if code, _, stderr := refold(t, t.TempDir(), "score", "evaluate"); code != exitFailed || !strings.Contains(stderr, "loans") {
		t.Errorf("got exit code %d: %s", code, stderr)
	}
	if code, _, stderr := refold(t, loans(t, 8), "score", "evaluate"); code != exitFailed || !strings.Contains(stderr, "too few") {
		t.Errorf("got exit code %d: %s", code, stderr)
	}
}

// What is evaluated is what the bank answers after an import: the same events by another way.
func TestEvaluationAgreesWithTheBank(t *testing.T) {
	folder := loans(t, 8)
	cases, err := evaluation.Read(t.Context(), folder)
	if err != nil || len(cases) != 8 {
		t.Fatalf("got %d cases, %v", len(cases), err)
	}
	data := t.TempDir()
	p := up(t, data, "Data")
	well(t, data, "import", filepath.Join(folder, "known.csv.gz"), "--format", "berka", "--rejects", filepath.Join(folder, "rejects.csv"))
	for _, c := range cases {
		p.agrees(c)
	}
}

// agrees waits until the bank answers the score that was evaluated, for a while.
func (p *process) agrees(c evaluation.Case) {
	p.t.Helper()
	customer, _, _ := strings.Cut(c.Account, ".")
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		status, body := p.get("/v1/customers/" + customer + "/score?as_of=" + c.Granted.Format(time.RFC3339))
		var got struct{ Score int64 }
		if err := json.Unmarshal([]byte(body), &got); err == nil && status == http.StatusOK && got.Score == c.Judgement.Score {
			return
		}
		select {
		case <-deadline:
			p.t.Fatalf("%s: the bank answers %d %s, the evaluation has %d", customer, status, body, c.Judgement.Score)
		case <-tick.C:
		}
	}
}
