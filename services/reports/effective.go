package reports

import (
	"errors"
	"fmt"
	"time"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/money"
)

// effective returns the balance of an account that follows from the lines before a sort key: the sums of the
// months before it, and the lines of its own month.
func (s *Server) effective(v *engine.View, account, before string) (sum int64, err error) {
	if before == "" {
		return 0, nil
	}
	at, _ := balances.OccurredAt(before)
	month := balances.MonthKey(account, at)
	add := func(amount int64, err error) error {
		total, fits := money.Add(sum, amount)
		if err == nil && !fits {
			err = fmt.Errorf("the balance of account %s does not fit into 64 bits", account)
		}
		sum = total
		return err
	}
	var broken error
	err = v.Scan(month.Partition, "", month.Sort, func(_ projection.Key, stored []byte) bool {
		broken = add(s.monthSum(stored))
		return broken == nil
	})
	if err = errors.Join(err, broken); err != nil {
		return 0, err
	}
	first := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
	err = v.Scan(account, balances.LineSort(first, 0), before, func(_ projection.Key, stored []byte) bool {
		l, err := s.line(stored)
		if broken = err; err == nil {
			broken = add(l.AmountMinor, nil)
		}
		return broken == nil
	})
	return sum, errors.Join(err, broken)
}

func (s *Server) monthSum(stored []byte) (int64, error) {
	var r balances.Row
	_, err := projection.Decode(s.balances, stored, &r)
	if err == nil && r.Month == nil {
		err = errors.New("a row of months is no month")
	}
	if err != nil {
		return 0, err
	}
	return r.Month.SumMinor, nil
}

func (s *Server) line(stored []byte) (*balances.Line, error) {
	var r balances.Row
	_, err := projection.Decode(s.balances, stored, &r)
	if err == nil && r.Line == nil {
		err = errors.New("a row of a statement is no line")
	}
	return r.Line, err
}
