package ledger

import "fmt"

// Spent returns what counts to the limit of a day so far.
func (a *Account) Spent(day int64) int64 {
	if a.LimitDay != day {
		return 0
	}
	return a.SpentMinor
}

// spend counts an amount to the limit of a day; of day 0 it counts to none.
func (a *Account) spend(id string, day, amount int64) error {
	if day == 0 {
		return nil
	}
	a.LimitDay, a.SpentMinor = day, a.Spent(day)+amount
	if a.SpentMinor > a.DailyLimitMinor {
		return fmt.Errorf("%w: account %s spends %d in a day and may spend %d", ErrBroken, id, a.SpentMinor, a.DailyLimitMinor)
	}
	return nil
}

// unspend gives back what was counted to a day, if that is still the day that is counted.
func (a *Account) unspend(day, amount int64) {
	if day != 0 && day == a.LimitDay {
		a.SpentMinor -= amount
	}
}
