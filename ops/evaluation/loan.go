package evaluation

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// loan is a loan whose end is known: A and C were paid back or are, B and D were not or are late.
type loan struct {
	account string
	granted time.Time
	good    bool
}

// readLoans reads a file of loans, compressed with gzip.
func readLoans(file string) ([]loan, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read loans: %w", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	loans, err := parseLoans(csv.NewReader(z))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return loans, nil
}

func parseLoans(r *csv.Reader) ([]loan, error) {
	header, err := r.Read()
	if err != nil {
		return nil, err
	}
	var at [3]int
	for i, column := range []string{"account_id", "granted", "status"} {
		if at[i] = slices.Index(header, column); at[i] < 0 {
			return nil, fmt.Errorf("there is no column %s", column)
		}
	}
	var out []loan
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		granted, err := time.Parse(time.DateOnly, row[at[1]])
		if err != nil || len(row[at[2]]) != 1 || !strings.Contains("ABCD", row[at[2]]) {
			return nil, fmt.Errorf("account %s: granted %q, status %q", row[at[0]], row[at[1]], row[at[2]])
		}
		out = append(out, loan{account: "berka-" + row[at[0]] + ".current", granted: granted, good: strings.Contains("AC", row[at[2]])})
	}
}
