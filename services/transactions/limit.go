package transactions

import (
	"time"
	_ "time/tzdata" // the same zones on every machine, also where the system has none

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/event"
)

// A daily limit bounds what is taken from an account from one midnight of its time zone to the next, however
// long that is, by the time of the log. Which day that is stands in the record, so that nobody who folds it
// needs to know time zones. A hold counts when it is placed, and what is not captured of it is given back if
// the day is still the same; a reversal takes back what was not the account's, and does not count.

// isZone reports whether a name is that of a time zone.
func isZone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil && name != "Local"
}

// day returns the local day of a time, in days since 1970-01-01.
func day(at event.Micros, zone *time.Location) int64 {
	y, m, d := at.Time().In(zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86_400
}

// spend returns the day to whose limit an amount counts, 0 where an account has no limit; or why it is too
// much for that day.
func (v *view) spend(a *ledger.Account, id string, amount int64) (int64, *rejection) {
	if a.DailyLimitMinor == 0 {
		return 0, nil
	}
	zone, err := v.rows.zone(a.TimeZone)
	if err != nil {
		v.err = err
		return 0, nil
	}
	today := day(v.now, zone)
	if spent := a.Spent(today); amount > a.DailyLimitMinor-spent {
		return 0, reject(ReasonDailyLimit, "account %s may spend %d a day and has spent %d: %d are too many",
			id, a.DailyLimitMinor, spent, amount)
	}
	return today, nil
}
