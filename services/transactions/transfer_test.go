package transactions

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

func transferRequest(from, to, key string, amount int64) *bankv1.TransferRequest {
	return &bankv1.TransferRequest{IdempotencyKey: key, AccountId: from, ToAccountId: to, AmountMinor: amount, Currency: "EUR"}
}

func TestTransferDecides(t *testing.T) {
	frozen, closed, dollars := account(100, 0, 1), account(0, 0, 1), account(0, 0, 1)
	frozen.Frozen, closed.Closed, dollars.Currency = true, true, "USD"
	rich := account(100, 0, 1)
	for name, c := range map[string]struct {
		given accounts
		want  string
	}{
		"enough":             {accounts{"c1.main": rich, "c2.main": account(0, 0, 0)}, ""},
		"not enough":         {accounts{"c1.main": account(99, 0, 1), "c2.main": rich}, ReasonInsufficientFunds},
		"held":               {accounts{"c1.main": holding(100, 0, 1), "c2.main": rich}, ReasonInsufficientFunds},
		"no payer":           {accounts{"c2.main": rich}, ReasonAccountNotFound},
		"no payee":           {accounts{"c1.main": rich}, ReasonAccountNotFound},
		"frozen payer":       {accounts{"c1.main": frozen, "c2.main": rich}, ReasonAccountFrozen},
		"frozen payee":       {accounts{"c1.main": rich, "c2.main": frozen}, ReasonAccountFrozen},
		"closed payee":       {accounts{"c1.main": rich, "c2.main": closed}, ReasonAccountClosed},
		"LG-6 other dollars": {accounts{"c1.main": rich, "c2.main": dollars}, ReasonCurrencyMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			if got := reasonIn(decide(seen(c.given), made(t, transferRequest("c1.main", "c2.main", "k", 100)))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTransferBooksBothAccounts(t *testing.T) {
	r := transferRequest("c1.main", "c2.main", "k", 30)
	r.Category = "rent"
	got := decide(seen(accounts{"c1.main": account(100, 0, 4), "c2.main": account(5, 0, 9)}), made(t, r))
	want := &event.EntryPosted{Kind: event.EntryTransfer, Category: "rent", Legs: []event.Leg{
		{AccountID: "c1.main", AmountMinor: -30, Currency: "EUR", BalanceAfterMinor: 70, AccountSeq: 5},
		{AccountID: "c2.main", AmountMinor: 30, Currency: "EUR", BalanceAfterMinor: 35, AccountSeq: 10},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for field, change := range map[string]func(*bankv1.TransferRequest){
		"account_id":    func(r *bankv1.TransferRequest) { r.AccountId = "c1.other" },
		"to_account_id": func(r *bankv1.TransferRequest) { r.ToAccountId = "c1.other" },
		"amount_minor":  func(r *bankv1.TransferRequest) { r.AmountMinor++ },
		"currency":      func(r *bankv1.TransferRequest) { r.Currency = "USD" },
		"category":      func(r *bankv1.TransferRequest) { r.Category = "food" },
	} {
		other := transferRequest("c1.main", "c2.main", "k", 30)
		other.Category = "rent"
		change(other)
		if differs := made(t, other).wish.differs(got); differs != field || made(t, other).hash == made(t, r).hash {
			t.Errorf("got %q, want %q and another digest", differs, field)
		}
	}
}

func TestMalformedTransfer(t *testing.T) {
	for name, r := range map[string]*bankv1.TransferRequest{
		"LG-7 to itself": transferRequest("c1.main", "c1.main", "k", 1),
		"to the bank":    transferRequest("c1.main", "@world.0.EUR", "k", 1),
		"from the bank":  transferRequest("@world.0.EUR", "c1.main", "k", 1),
		"nothing":        transferRequest("c1.main", "c2.main", "k", 0),
		"negative":       transferRequest("c1.main", "c2.main", "k", -1),
		"too much":       transferRequest("c1.main", "c2.main", "k", maxAmount+1),
	} {
		if _, refusal := commandOf(r, "tester"); refusal == nil || refusal.Reason != ReasonMalformed {
			t.Errorf("%s: got %v, want %s", name, refusal, ReasonMalformed)
		}
	}
}

// LG-3 in small: whatever is moved between accounts at once, their sum stays, and none falls below its floor.
func TestTransfersKeepTheSum(t *testing.T) {
	i := newBank(t, 1).start()
	const accounts = 4
	for n := range accounts {
		id := fmt.Sprintf("c%d.main", n)
		i.open(id)
		i.posted(deposit(id, "d", 100))
	}
	var wg sync.WaitGroup
	for n := range 200 {
		wg.Go(func() {
			from, to := n%accounts, (n+1+n/accounts%(accounts-1))%accounts
			r := transferRequest(fmt.Sprintf("c%d.main", from), fmt.Sprintf("c%d.main", to), fmt.Sprint("t", n), int64(1+n%60))
			if _, err := i.Transfer(t.Context(), r); err != nil && reasonOf(t, err) != ReasonInsufficientFunds {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	sum := int64(0)
	for n := range accounts {
		sum += i.bank.balance(fmt.Sprintf("c%d.main", n))
	}
	if sum != 100*accounts {
		t.Errorf("sum: got %d, want %d", sum, 100*accounts)
	}
}

func TestLG17ReversedTransfer(t *testing.T) {
	i := newBank(t, 1).start()
	i.open("c1.main")
	i.open("c2.main")
	i.posted(deposit("c1.main", "d", 100))
	moved, err := i.Transfer(t.Context(), transferRequest("c1.main", "c2.main", "t", 60))
	if err != nil {
		t.Fatal(err)
	}
	reverse := func() string {
		_, err := i.ReverseEntry(t.Context(), reverseRequest("c1.main", i.key(), moved.GetRecord().GetEventId()))
		return reasonOf(t, err)
	}
	hold := i.held(holdRequest("c2.main", "h", 1))
	if got := reverse(); got != ReasonInsufficientFunds {
		t.Errorf("got %q, want %s", got, ReasonInsufficientFunds)
	}
	if _, err := i.ReleaseHold(t.Context(), releaseRequest("c2.main", "r", hold)); err != nil {
		t.Fatal(err)
	}
	if got := reverse(); got != "" {
		t.Errorf("got %q, want it reversed", got)
	}
	if a, b := i.bank.balance("c1.main"), i.bank.balance("c2.main"); a != 100 || b != 0 {
		t.Errorf("balances: got %d and %d, want 100 and 0", a, b)
	}
}
