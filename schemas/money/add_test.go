package money_test

import (
	"math"
	"testing"

	"github.com/refold/refold/schemas/money"
)

func TestAdd(t *testing.T) {
	for _, c := range []struct {
		a, b, sum int64
		ok        bool
	}{
		{1, 2, 3, true},
		{5, 0, 5, true},
		{-1, -2, -3, true},
		{math.MaxInt64, 0, math.MaxInt64, true},
		{math.MaxInt64 - 1, 1, math.MaxInt64, true},
		{math.MaxInt64, 1, 0, false},
		{math.MinInt64, -1, 0, false},
		{1 << 62, 1 << 62, 0, false},
		{math.MinInt64, math.MaxInt64, -1, true},
	} {
		sum, ok := money.Add(c.a, c.b)
		if ok != c.ok || ok && sum != c.sum {
			t.Errorf("%d + %d: got %d, %v, want %d, %v", c.a, c.b, sum, ok, c.sum, c.ok)
		}
	}
}
