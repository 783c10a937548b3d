package rewards

import (
	"errors"
	"math/bits"

	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/schemas/money"
)

// Summary is what a customer has. The balance is what is left of all months, less what is owed.
type Summary struct {
	Month int64 `avro:"month"` // up to which it was folded, counted from January of the year 0
	// Months are those whose points live, oldest first.
	Months    []Month `avro:"months"`
	Owed      int64   `avro:"owed"` // taken back when there was nothing left
	Earned    int64   `avro:"earned"`
	TakenBack int64   `avro:"taken_back"` // less what was given back
	Redeemed  int64   `avro:"redeemed"`
	Expired   int64   `avro:"expired"`
	Unknown   int64   `avro:"unknown"` // purchases of a category that no table has
}

// Month is what one month gave.
type Month struct {
	Month  int64 `avro:"month"`
	Earned int64 `avro:"earned"` // less what was taken back
	Left   int64 `avro:"left"`   // of it
}

// Purchase is what one purchase gave, and how much of it was given back.
type Purchase struct {
	Month         int64 `avro:"month"` // in which its points count
	AmountMinor   int64 `avro:"amount_minor"`
	Points        int64 `avro:"points"`
	RefundedMinor int64 `avro:"refunded_minor"`
}

// rollingMonths is how many months make a tier.
const rollingMonths = 12

var errOverflow = errors.New("a sum of points does not fit into 64 bits")

// monthOf returns the month of a time, counted from January of the year 0.
func monthOf(t event.Micros) int64 {
	year, month, _ := t.Time().Date()
	return int64(year)*12 + int64(month) - 1
}

// Balance returns the points that can be redeemed; below zero where some are owed.
func (s *Summary) Balance() int64 {
	sum := -s.Owed
	for i := range s.Months {
		sum += s.Months[i].Left
	}
	return sum
}

// advance lets months go by, and returns what expired.
func (s *Summary) advance(month, life int64) (expired int64) {
	s.Month = max(s.Month, month)
	dead := 0
	for dead < len(s.Months) && s.Months[dead].Month <= s.Month-life {
		expired += s.Months[dead].Left
		dead++
	}
	s.Months = s.Months[dead:]
	s.Expired += expired
	return expired
}

// month returns the present month, a new one where it is not there.
func (s *Summary) month() *Month {
	if m := s.find(s.Month); m != nil {
		return m
	}
	s.Months = append(s.Months, Month{Month: s.Month})
	return &s.Months[len(s.Months)-1]
}

func (s *Summary) find(month int64) *Month {
	for i := len(s.Months) - 1; i >= 0; i-- {
		if s.Months[i].Month == month {
			return &s.Months[i]
		}
	}
	return nil
}

// rolling returns what was earned in the month and the eleven before it.
func (s *Summary) rolling() (earned int64) {
	for i := range s.Months {
		if s.Months[i].Month > s.Month-rollingMonths {
			earned += s.Months[i].Earned
		}
	}
	return earned
}

// earn gives points to the present month.
func (s *Summary) earn(points int64) error {
	s.put(s.month(), points)
	return sum(&s.Earned, points)
}

// change gives points of a month back to the customer or, below zero, takes them back. It returns how many:
// none where they have expired.
func (s *Summary) change(month, points int64) (int64, error) {
	m := s.find(month)
	if m == nil {
		return 0, nil
	}
	if points > 0 {
		s.put(m, points)
	} else {
		s.takeBack(m, -points)
	}
	return points, sum(&s.TakenBack, -points)
}

// put puts points into a month, less what is owed.
func (s *Summary) put(m *Month, points int64) {
	paid := min(points, s.Owed)
	s.Owed -= paid
	m.Earned += points
	m.Left += points - paid
}

// takeBack takes points of a month back: what is left of it, then the oldest, and what is still missing is owed.
func (s *Summary) takeBack(m *Month, points int64) {
	here := min(points, m.Left)
	m.Left -= here
	m.Earned -= points
	s.Owed += points - here - s.take(points-here)
}

// take takes at most so many points, the oldest first, and returns how many there were.
func (s *Summary) take(points int64) (taken int64) {
	for i := range s.Months {
		n := min(points-taken, s.Months[i].Left)
		s.Months[i].Left -= n
		taken += n
	}
	return taken
}

// redeem takes points if there are so many.
func (s *Summary) redeem(points int64) (done bool, err error) {
	if points > s.Balance() {
		return false, nil
	}
	s.take(points)
	return true, sum(&s.Redeemed, points)
}

// giveBack counts an amount of the purchase as given back, one below zero as taken again, and returns by how
// much its points change.
func (p *Purchase) giveBack(minor int64) (points int64) {
	before := p.lost()
	p.RefundedMinor += max(-p.RefundedMinor, min(minor, p.AmountMinor-p.RefundedMinor))
	return before - p.lost()
}

// lost returns how many of the points are lost by what was given back: all of them where all of it was.
func (p *Purchase) lost() int64 {
	if p.AmountMinor <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(p.Points), uint64(p.RefundedMinor))
	lost, _ := bits.Div64(high, low, uint64(p.AmountMinor))
	return int64(lost)
}

func sum(to *int64, n int64) error {
	total, fits := money.Add(*to, n)
	if !fits {
		return errOverflow
	}
	*to = total
	return nil
}
