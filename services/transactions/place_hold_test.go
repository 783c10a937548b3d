package transactions

import (
	"math"
	"reflect"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

func holdRequest(account, key string, amount int64) *bankv1.PlaceHoldRequest {
	return &bankv1.PlaceHoldRequest{IdempotencyKey: key, AccountId: account, AmountMinor: amount, Currency: "EUR"}
}

// held places a hold and returns its id.
func (i *instance) held(r *bankv1.PlaceHoldRequest) string {
	i.bank.t.Helper()
	answer, err := i.PlaceHold(i.bank.t.Context(), r)
	if err != nil {
		i.bank.t.Fatal(err)
	}
	return answer.GetHoldId()
}

// holding is an account with open holds of amounts, each due in a week.
func holding(balance, limit int64, amounts ...int64) *ledger.Account {
	a := account(balance, limit, 1)
	for n, amount := range amounts {
		a.Holds = append(a.Holds, ledger.OpenHold{ID: string(rune('a' + n)), AmountMinor: amount, ExpiresAt: noon + holdLong})
		a.HeldMinor += amount
	}
	return a
}

func TestPlaceHoldDecides(t *testing.T) {
	until := func(at event.Micros) func(*bankv1.PlaceHoldRequest) {
		return func(r *bankv1.PlaceHoldRequest) { r.ExpiresAt = timestamppb.New(at.Time()) }
	}
	frozen := account(100, 0, 1)
	frozen.Frozen = true
	many := make([]int64, maxHolds)
	for name, c := range map[string]struct {
		change func(*bankv1.PlaceHoldRequest)
		given  accounts
		want   string
	}{
		"all there is":      {nil, accounts{"c1.main": account(80, 0, 1)}, ""},
		"down to the limit": {nil, accounts{"c1.main": account(30, 50, 1)}, ""},
		"below the limit":   {nil, accounts{"c1.main": account(29, 50, 1)}, ReasonInsufficientFunds},
		"beyond 64 bits": {
			func(r *bankv1.PlaceHoldRequest) { r.AmountMinor = math.MaxInt64 },
			accounts{"c1.main": account(-10, 30, 1)}, ReasonInsufficientFunds,
		},
		"beside another":     {nil, accounts{"c1.main": holding(100, 0, 20)}, ""},
		"too much of both":   {nil, accounts{"c1.main": holding(100, 0, 21)}, ReasonInsufficientFunds},
		"one too many":       {nil, accounts{"c1.main": holding(100, 0, many...)}, ReasonTooManyHolds},
		"the last one":       {nil, accounts{"c1.main": holding(100, 0, many[1:]...)}, ""},
		"frozen":             {nil, accounts{"c1.main": frozen}, ReasonAccountFrozen},
		"closed":             {nil, accounts{"c1.main": {Closed: true}}, ReasonAccountClosed},
		"no account":         {nil, nil, ReasonAccountNotFound},
		"other currency":     {nil, accounts{"c1.main": {Currency: "USD"}}, ReasonCurrencyMismatch},
		"expires at once":    {until(noon), accounts{"c1.main": account(100, 0, 1)}, ReasonExpiresAt},
		"expires soon":       {until(noon + 1), accounts{"c1.main": account(100, 0, 1)}, ""},
		"expires in 90 days": {until(noon + maxHoldLong), accounts{"c1.main": account(100, 0, 1)}, ""},
		"expires later":      {until(noon + maxHoldLong + 1), accounts{"c1.main": account(100, 0, 1)}, ReasonExpiresAt},
	} {
		t.Run(name, func(t *testing.T) {
			r := holdRequest("c1.main", "k", 80)
			if c.change != nil {
				c.change(r)
			}
			if got := reasonIn(decide(seen(c.given), made(t, r))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestPlaceHoldSaysWhatWasAsked(t *testing.T) {
	r := holdRequest("c1.main", "k", 80)
	r.Merchant, r.Mcc, r.Category = "a hotel", "7011", "travel"
	got := decide(seen(accounts{"c1.main": account(80, 0, 1)}), made(t, r))
	want := &event.HoldPlaced{
		AccountID: "c1.main", AmountMinor: 80, Currency: "EUR", ExpiresAt: noon + holdLong, Merchant: "a hotel", MCC: "7011", Category: "travel",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestPlaceHoldThatDiffersIsNamed(t *testing.T) {
	until := func(r *bankv1.PlaceHoldRequest, m event.Micros) { r.ExpiresAt = timestamppb.New((noon + m).Time()) }
	first := holdRequest("c1.main", "k", 80)
	until(first, 5)
	placed := decide(seen(accounts{"c1.main": account(80, 0, 1)}), made(t, first))
	for want, change := range map[string]func(*bankv1.PlaceHoldRequest){
		"account_id":   func(r *bankv1.PlaceHoldRequest) { r.AccountId = "c1.other" },
		"amount_minor": func(r *bankv1.PlaceHoldRequest) { r.AmountMinor++ },
		"currency":     func(r *bankv1.PlaceHoldRequest) { r.Currency = "USD" },
		"expires_at":   func(r *bankv1.PlaceHoldRequest) { until(r, 6) },
		"merchant":     func(r *bankv1.PlaceHoldRequest) { r.Merchant = "x" },
		"mcc":          func(r *bankv1.PlaceHoldRequest) { r.Mcc = "1234" },
		"category":     func(r *bankv1.PlaceHoldRequest) { r.Category = "x" },
	} {
		r := holdRequest("c1.main", "k", 80)
		until(r, 5)
		change(r)
		other := made(t, r)
		if got := other.wish.differs(placed); got != want || other.hash == made(t, first).hash {
			t.Errorf("got %q, want %q and another digest", got, want)
		}
	}
}
