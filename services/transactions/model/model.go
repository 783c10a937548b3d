// Package model is the bank as somebody else would write it: a small single-threaded ledger that is fed the
// committed log of bank.transactions and says of every record what its command must have come to.
//
// It shares nothing with the service and its ledger but the events: no fold, no store, no code of a rule.
// So a mistake must be made twice, in two ways, to stay hidden. It is the method with which Jepsen tested
// TigerBeetle: the log is the order, and a simple model that follows the order gives the outcomes.
//
// The parts, in the order in which a record meets them: command.go and content.go find the command that the
// record answers, and prove it by its digest; rules.go decides the command, transfer.go those of
// the transfers between partitions; bank.go compares the outcome
// with the record, checks what must always hold, and moves on by what the record says. state.go is what it
// remembers, verify.go feeds it a log.
package model

import (
	"math/big"
	"time"
	_ "time/tzdata" // the same zones on every machine, also where the system has none

	"github.com/refold/refold/schemas/event"
)

// account is an account of a customer, or one of the bank's own.
type account struct {
	currency       string
	overdraft      int64 // how far below zero it may go
	daily          int64 // what may be taken in a day; 0: no limit
	zone           string
	balance, seq   int64
	frozen, closed bool
	open           []openHold
	day, spent     int64 // what was spent on the last day on which something was
	transit        int64 // on its way to other partitions: it may come back
}

// openHold is a hold that has not ended.
type openHold struct {
	id      string
	amount  int64
	expires event.Micros
	day     int64 // to whose limit it counts; 0: to none
}

// available is what may be taken, down to an overdraft of zero.
func (a *account) available() *big.Int {
	n := big.NewInt(a.balance)
	for _, h := range a.open {
		n.Sub(n, big.NewInt(h.amount))
	}
	return n.Add(n, big.NewInt(a.overdraft))
}

// spentOn is what was spent on a day so far.
func (a *account) spentOn(day int64) int64 {
	if a.day != day {
		return 0
	}
	return a.spent
}

// spend counts an amount, which may be negative, to a day.
func (a *account) spend(day, amount int64) {
	if day != 0 {
		a.day, a.spent = day, a.spentOn(day)+amount
	}
}

// giveBack takes back from a day what was counted to it, unless another day has begun.
func (a *account) giveBack(day, amount int64) {
	if day != 0 && day == a.day {
		a.spent -= amount
	}
}

// today is the day of an account's zone, in days since 1970-01-01.
func today(at event.Micros, zone string) (int64, error) {
	where, err := time.LoadLocation(zone)
	if err != nil {
		return 0, err
	}
	local := at.Time().In(where)
	midnight := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC)
	return midnight.Unix() / int64(24*time.Hour/time.Second), nil
}
