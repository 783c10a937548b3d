// Package money turns amounts between text and whole minor units of ISO 4217 currencies.
//
// An amount is an int64 of minor units from the moment it is read: nothing here is ever a float, and
// nothing is ever rounded. How many decimals a currency has comes from the currency table alone: JPY has
// none, EUR two, KWD three.
//
// The table, iso4217.csv, is the list of currency codes of the DataHub's core data sets
// (https://datahub.io/core/currency-codes), compiled from lists one and three of the ISO 4217 maintenance
// agency and given to the public under the Open Data Commons Public Domain Dedication and Licence (PDDL).
package money

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// What can be wrong with an amount. None of them goes away by trying again: the text has to be corrected.
var (
	// ErrCurrency says that a code names no currency that can be posted in: it is unknown, it is withdrawn,
	// or it has no minor units, as gold has none.
	ErrCurrency = errors.New("not an ISO 4217 currency in use")
	// ErrSyntax says that a text is not a plain decimal number.
	ErrSyntax = errors.New("not a plain decimal number")
	// ErrDecimals says that an amount is finer than the minor unit of its currency.
	ErrDecimals = errors.New("too many decimals")
	// ErrOverflow says that an amount does not fit into an int64 of minor units.
	ErrOverflow = errors.New("too large")
)

// Parse returns a decimal text as minor units of a currency: "12.5" EUR is 1250, "12" JPY is 12.
//
// The text is an optional minus sign, digits, and optionally a point and further digits, at most as many
// as the currency has decimals. A plus sign, spaces, separators of thousands, exponents, a point without
// digits on both sides, zeros before the first digit and a minus sign before zero are refused, and so is a
// decimal too many even where it is a zero. Errors wrap one of the sentinels of this package.
//
// Parse may be called concurrently.
func Parse(decimal, code string) (int64, error) {
	exponent, ok := Exponent(code)
	if !ok {
		return 0, fmt.Errorf("parse amount in %q: %w", code, ErrCurrency)
	}
	return parse(decimal, exponent)
}

// ParseMinor returns a text of whole minor units of a currency as a number: "1250" EUR is 1250. It is as
// strict as Parse, and any decimals are too many. ParseMinor may be called concurrently.
func ParseMinor(whole, code string) (int64, error) {
	if _, ok := Exponent(code); !ok {
		return 0, fmt.Errorf("parse minor units of %q: %w", code, ErrCurrency)
	}
	return parse(whole, 0)
}

func parse(decimal string, exponent int) (int64, error) {
	digits, negative := strings.CutPrefix(decimal, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if !isWhole(whole) || point && !isDigits(fraction) {
		return 0, fmt.Errorf("parse amount %q: %w", decimal, ErrSyntax)
	}
	if len(fraction) > exponent {
		return 0, fmt.Errorf("parse amount %q: %w: at most %d are allowed", decimal, ErrDecimals, exponent)
	}
	limit := uint64(math.MaxInt64)
	if negative {
		limit++
	}
	units, ok := accumulate(whole, fraction+strings.Repeat("0", exponent-len(fraction)), limit)
	switch {
	case !ok:
		return 0, fmt.Errorf("parse amount %q: %w", decimal, ErrOverflow)
	case negative && units == 0:
		return 0, fmt.Errorf("parse amount %q: %w: zero has no sign", decimal, ErrSyntax)
	case negative:
		return -int64(units), nil
	}
	return int64(units), nil
}

// Format returns minor units of a currency as a decimal text with all decimals of the currency, without
// the code: 1250 EUR is "12.50". Parse gives the same amount back. Where the code names no currency in use
// there is no point to set, and the text says so: "1250 minor units".
//
// Format may be called concurrently.
func Format(minor int64, code string) string {
	exponent, ok := Exponent(code)
	if !ok {
		return fmt.Sprintf("%d minor units", minor)
	}
	sign, units := "", uint64(minor)
	if minor < 0 {
		sign, units = "-", -units
	}
	digits := fmt.Sprintf("%0*d", exponent+1, units)
	point := len(digits) - exponent
	if exponent == 0 {
		return sign + digits
	}
	return sign + digits[:point] + "." + digits[point:]
}

// accumulate reads two runs of digits as one number, and says whether it is at most limit.
func accumulate(whole, fraction string, limit uint64) (uint64, bool) {
	var n uint64
	for _, run := range [2]string{whole, fraction} {
		for i := range len(run) {
			digit := uint64(run[i] - '0')
			if n > (limit-digit)/10 {
				return 0, false
			}
			n = n*10 + digit
		}
	}
	return n, true
}

// isWhole reports whether s is "0" or digits that begin with another one.
func isWhole(s string) bool { return isDigits(s) && (s == "0" || s[0] != '0') }

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Add returns a + b, and false where that does not fit into 64 bits.
func Add(a, b int64) (sum int64, ok bool) {
	sum = a + b
	return sum, (sum > a) == (b > 0)
}
