package balances

import (
	"errors"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/money"
)

// Month is what moved on an account in one month (UTC), by the time at which it occurred.
type Month struct {
	SumMinor int64 `avro:"sum_minor"` // credit positive
	Entries  int64 `avro:"entries"`
}

// monthsSuffix makes the partition key of the months of an account, of which no account has the name.
const monthsSuffix = "/months"

// MonthKey returns the row of the month of a time. The months of an account are in order.
func MonthKey(account string, t time.Time) projection.Key {
	return projection.Key{Partition: account + monthsSuffix, Sort: month(t)}
}

// month returns the month of a time, in UTC, such as 2014-01. Years have four digits.
func month(t time.Time) string {
	year, month, _ := t.UTC().Date()
	return string([]byte{
		byte('0' + year/1000%10), byte('0' + year/100%10), byte('0' + year/10%10), byte('0' + year%10), '-',
		byte('0' + month/10), byte('0' + month%10),
	})
}

func (r *Row) add(amount int64) error {
	if r.Month == nil {
		r.Month = &Month{}
	}
	sum, fits := money.Add(r.Month.SumMinor, amount)
	if !fits {
		return errors.New("the sum of a month does not fit into 64 bits")
	}
	r.Month.SumMinor = sum
	r.Month.Entries++
	return nil
}
