//go:build synctests

package transactions

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/transactions/history"
)

// XP-5, LG-19: the clock was an hour ahead once, so that the time of the log stands still for an hour. A
// transfer whose message is lost in it is sent again all the same.
func TestXP5SimulatedLogAheadOfTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newSimulation(t, 1, plan{partitions: 2, processes: 1})
		l := &lossy{}
		w.bank.mail = l.through
		w.start(0, nil)
		w.at(0).ahead.Store(int64(time.Hour))
		w.opened()
		w.at(0).ahead.Store(0)
		wait(nil, 30*time.Second) // the outbox has seen all that there is
		from, to := simulatedAccount(0), ""
		for n := range simulatedAccounts {
			if w.at(0).home(simulatedAccount(n)) != w.at(0).home(from) {
				to = simulatedAccount(n)
			}
		}
		w.insist(w.newClient("payer", 1), &bankv1.TransferRequest{
			IdempotencyKey: "k", AccountId: from, ToAccountId: to, AmountMinor: 1, Currency: "EUR",
		})
		wait(nil, 2*time.Second)
		l.lost.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), 3*alarmEvery)
		defer cancel()
		for got := history.Drained(w.records()); len(got) > 0; got = history.Drained(w.records()) {
			if !wait(ctx.Done(), time.Second) {
				t.Fatalf("got %q, want the transfer to end", got)
			}
		}
	})
}
