package money

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed iso4217.csv
var table string

// Columns of the table.
const (
	columnCode       = 2
	columnMinorUnit  = 4
	columnWithdrawal = 5
)

// exponents are the decimals of every currency in use, read from the table at the first use.
var exponents = sync.OnceValue(func() map[string]int {
	m, err := readExponents(table)
	if err != nil {
		panic(err)
	}
	return m
})

// Exponent returns how many decimals a currency has, and whether the code names a currency that can be
// posted in. Withdrawn currencies, metals and the codes for tests and for no currency cannot.
//
// Exponent may be called concurrently.
func Exponent(code string) (int, bool) {
	e, ok := exponents()[code]
	return e, ok
}

// readExponents reads the table. It has a row for each country, so that a code occurs several times; and
// a code like EUR or RON has withdrawn rows, of countries that used it otherwise, beside those in use.
func readExponents(table string) (map[string]int, error) {
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read currency table: %w", err)
	}
	m := make(map[string]int)
	for i, row := range rows[1:] {
		code, unit := row[columnCode], row[columnMinorUnit]
		if code == "" || unit == "" || unit == "-" || row[columnWithdrawal] != "" {
			continue
		}
		exponent, err := strconv.Atoi(unit)
		if err != nil {
			return nil, fmt.Errorf("read currency table row %d: %w", i+2, err)
		}
		if before, ok := m[code]; ok && before != exponent {
			return nil, fmt.Errorf("read currency table row %d: %s has %d and %d decimals", i+2, code, before, exponent)
		}
		m[code] = exponent
	}
	return m, nil
}
