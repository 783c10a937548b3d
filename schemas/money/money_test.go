package money

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		decimal, code string
		want          int64
	}{
		{"0", "EUR", 0},
		{"0.00", "EUR", 0},
		{"12", "EUR", 1200},
		{"12.5", "EUR", 1250},
		{"-12.34", "EUR", -1234},
		{"-0.01", "EUR", -1},
		{"500", "JPY", 500},
		{"1.234", "KWD", 1234},
		{"1.2345", "CLF", 12345},
		{"92233720368547758.07", "EUR", math.MaxInt64},
		{"-92233720368547758.08", "EUR", math.MinInt64},
		{"9223372036854775807", "JPY", math.MaxInt64},
	} {
		got, err := Parse(c.decimal, c.code)
		if err != nil || got != c.want {
			t.Errorf("Parse(%q, %q) = %d, %v, want %d", c.decimal, c.code, got, err, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		decimal, code string
		want          error
	}{
		{"1.234", "EUR", ErrDecimals},
		{"1.000", "EUR", ErrDecimals},
		{"1.0", "JPY", ErrDecimals},
		{"1.2345", "KWD", ErrDecimals},
		{"92233720368547758.08", "EUR", ErrOverflow},
		{"-92233720368547758.09", "EUR", ErrOverflow},
		{"92233720368547759", "EUR", ErrOverflow},
		{strings.Repeat("9", 400), "JPY", ErrOverflow},
		{"", "EUR", ErrSyntax},
		{"-", "EUR", ErrSyntax},
		{".5", "EUR", ErrSyntax},
		{"5.", "EUR", ErrSyntax},
		{"+5", "EUR", ErrSyntax},
		{"--5", "EUR", ErrSyntax},
		{" 5", "EUR", ErrSyntax},
		{"5 ", "EUR", ErrSyntax},
		{"1,000", "EUR", ErrSyntax},
		{"1_000", "EUR", ErrSyntax},
		{"1e3", "EUR", ErrSyntax},
		{"0x10", "EUR", ErrSyntax},
		{"1.-5", "EUR", ErrSyntax},
		{"007", "EUR", ErrSyntax},
		{"-0.00", "EUR", ErrSyntax},
		{"NaN", "EUR", ErrSyntax},
		{"٣", "EUR", ErrSyntax},
		{"5", "", ErrCurrency},
		{"5", "eur", ErrCurrency},
		{"5", "DEM", ErrCurrency},
		{"5", "XAU", ErrCurrency},
		{"5", "XXX", ErrCurrency},
		{"5", "ABC", ErrCurrency},
	} {
		if got, err := Parse(c.decimal, c.code); !errors.Is(err, c.want) {
			t.Errorf("Parse(%q, %q) = %d, %v, want %v", c.decimal, c.code, got, err, c.want)
		}
	}
}

func TestParseMinor(t *testing.T) {
	for _, c := range []struct {
		whole, code string
		want        int64
		err         error
	}{
		{"1250", "EUR", 1250, nil},
		{"-59400", "GBP", -59400, nil},
		{"0", "JPY", 0, nil},
		{"-9223372036854775808", "EUR", math.MinInt64, nil},
		{"9223372036854775808", "EUR", 0, ErrOverflow},
		{"12.50", "EUR", 0, ErrDecimals},
		{"1.", "EUR", 0, ErrSyntax},
		{"-0", "EUR", 0, ErrSyntax},
		{"", "EUR", 0, ErrSyntax},
		{"1", "DEM", 0, ErrCurrency},
	} {
		got, err := ParseMinor(c.whole, c.code)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("ParseMinor(%q, %q) = %d, %v, want %d, %v", c.whole, c.code, got, err, c.want, c.err)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		minor int64
		code  string
		want  string
	}{
		{0, "EUR", "0.00"},
		{5, "EUR", "0.05"},
		{-5, "EUR", "-0.05"},
		{1250, "EUR", "12.50"},
		{-1250, "JPY", "-1250"},
		{1, "KWD", "0.001"},
		{math.MaxInt64, "EUR", "92233720368547758.07"},
		{math.MinInt64, "EUR", "-92233720368547758.08"},
		{math.MinInt64, "JPY", "-9223372036854775808"},
		{1250, "DEM", "1250 minor units"},
	} {
		if got := Format(c.minor, c.code); got != c.want {
			t.Errorf("Format(%d, %q) = %q, want %q", c.minor, c.code, got, c.want)
		}
	}
}

// Several countries share a code, and some codes have withdrawn rows beside those in use.
func TestExponent(t *testing.T) {
	for _, c := range []struct {
		code string
		want int
		ok   bool
	}{
		{"GBP", 2, true}, {"USD", 2, true}, {"CZK", 2, true}, {"EUR", 2, true}, {"RON", 2, true},
		{"XOF", 0, true}, {"JPY", 0, true}, {"KWD", 3, true}, {"CLF", 4, true},
		{"DEM", 0, false}, {"BGN", 0, false}, {"XXX", 0, false}, {"XTS", 0, false}, {"", 0, false},
	} {
		got, ok := Exponent(c.code)
		if got != c.want || ok != c.ok {
			t.Errorf("Exponent(%q) = %d, %v, want %d, %v", c.code, got, ok, c.want, c.ok)
		}
	}
}

func TestReadExponentsLeavesOutWithdrawn(t *testing.T) {
	got, err := readExponents("Entity,Currency,AlphabeticCode,NumericCode,MinorUnit,WithdrawalDate\nA,a,ANG,532,2,2025-03\n,,,,2,\n")
	if err != nil || len(got) != 0 {
		t.Errorf("readExponents = %v, %v, want no currency", got, err)
	}
}

func TestReadExponentsRefusesContradiction(t *testing.T) {
	const header = "Entity,Currency,AlphabeticCode,NumericCode,MinorUnit,WithdrawalDate\n"
	for _, rows := range []string{"A,a,EUR,978,2,\nB,b,EUR,978,3,\n", "A,a,EUR,978,two,\n", "A,a\n"} {
		if got, err := readExponents(header + rows); err == nil {
			t.Errorf("readExponents(%q) = %v, want an error", rows, got)
		}
	}
}

// FuzzParse holds Parse against exact rational arithmetic: what it accepts is worth what the text says,
// and is the same after Format.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"0", "1", "-1", "12.34", "-0.01", "1.234", "1.2345", "00.1", ".1", "1.", "+1", "1e2", "-0",
		"92233720368547758.07", "92233720368547758.08", "-92233720368547758.08", "9223372036854775808",
	} {
		for _, code := range []string{"EUR", "JPY", "KWD", "CLF", "DEM"} {
			f.Add(s, code)
		}
	}
	f.Fuzz(func(t *testing.T, decimal, code string) {
		minor, err := Parse(decimal, code)
		if err != nil {
			if minor != 0 {
				t.Errorf("Parse(%q, %q) = %d with error %v, want 0", decimal, code, minor, err)
			}
			return
		}
		want, ok := new(big.Rat).SetString(decimal)
		if !ok {
			t.Fatalf("Parse(%q, %q) = %d, want an error", decimal, code, minor)
		}
		exponent, _ := Exponent(code)
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)
		if got := new(big.Rat).SetFrac(big.NewInt(minor), scale); got.Cmp(want) != 0 {
			t.Errorf("Parse(%q, %q) = %d, which is %s, want %s", decimal, code, minor, got, want)
		}
		if again, err := Parse(Format(minor, code), code); err != nil || again != minor {
			t.Errorf("Parse(%q, %q) = %d, %v, want %d", Format(minor, code), code, again, err, minor)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("1234.5", "USD"); err != nil {
			b.Fatal(err)
		}
	}
}
