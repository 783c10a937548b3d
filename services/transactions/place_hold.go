package transactions

import (
	"time"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

const (
	// maxHolds bounds the open holds of one account.
	maxHolds = 100
	// holdLong is how long a hold is open where nothing is said, and maxHoldLong how long it may be.
	holdLong    = event.Micros(7 * 24 * time.Hour / time.Microsecond)
	maxHoldLong = event.Micros(90 * 24 * time.Hour / time.Microsecond)
)

// placeHold wants an amount not to be available, until the hold is captured, released or expires.
type placeHold struct {
	account   string
	amount    int64 // minor units; positive
	currency  string
	expiresAt *event.Micros // nil: as long as holdLong
	merchant  string
	mcc       string
	category  string
}

func newPlaceHold(r *bankv1.PlaceHoldRequest, principal string) (*Command, *Refusal) {
	if r.GetAmountMinor() <= 0 {
		return nil, malformed("amount_minor: must be positive")
	}
	w := &placeHold{
		account:  r.GetAccountId(),
		amount:   r.GetAmountMinor(),
		currency: r.GetCurrency(),
		merchant: r.GetMerchant(),
		mcc:      r.GetMcc(),
		category: r.GetCategory(),
	}
	if at := r.GetExpiresAt(); at != nil {
		if err := at.CheckValid(); err != nil {
			return nil, malformed("expires_at: must be a time between the years 1 and 9999")
		}
		m := event.MicrosOf(at.AsTime())
		w.expiresAt = &m
	}
	return newCommand(r, w, principal)
}

func (w *placeHold) name() string { return "PlaceHold" }

func (w *placeHold) accountID() string { return w.account }

func (w *placeHold) content(c content) content {
	c = c.text(w.account).number(w.amount).text(w.currency).text(w.merchant).text(w.mcc).text(w.category).flag(w.expiresAt != nil)
	if w.expiresAt != nil {
		c = c.number(int64(*w.expiresAt))
	}
	return c
}

func (w *placeHold) decide(v *view) (fact, *rejection) {
	expires := v.now + holdLong
	if w.expiresAt != nil {
		expires = *w.expiresAt
	}
	a, r := v.usable(w.account)
	switch {
	case r != nil:
		return nil, r
	case expires <= v.now || expires > v.now+maxHoldLong:
		return nil, reject(ReasonExpiresAt, "it expires at %s, which is not within the 90 days after %s", text(expires), text(v.now))
	case w.currency != a.Currency:
		return nil, reject(ReasonCurrencyMismatch, "account %s is in %s, not in %s", w.account, a.Currency, w.currency)
	case a.Frozen:
		return nil, frozen(w.account)
	case len(a.Holds) >= maxHolds:
		return nil, reject(ReasonTooManyHolds, "account %s has %d open holds already", w.account, len(a.Holds))
	}
	if r := enough(a, w.account, w.amount); r != nil {
		return nil, r
	}
	today, r := v.spend(a, w.account, w.amount)
	if r != nil {
		return nil, r
	}
	return &event.HoldPlaced{
		AccountID:   w.account,
		AmountMinor: w.amount,
		Currency:    w.currency,
		ExpiresAt:   expires,
		Merchant:    w.merchant,
		MCC:         w.mcc,
		Category:    w.category,
		LimitDay:    today,
	}, nil
}

func (w *placeHold) differs(f fact) string {
	e, ok := f.(*event.HoldPlaced)
	switch {
	case !ok:
		return "the command"
	case e.AccountID != w.account:
		return "account_id"
	case e.AmountMinor != w.amount:
		return "amount_minor"
	case e.Currency != w.currency:
		return "currency"
	case w.expiresAt != nil && e.ExpiresAt != *w.expiresAt:
		return "expires_at"
	case e.Merchant != w.merchant:
		return "merchant"
	case e.MCC != w.mcc:
		return "mcc"
	case e.Category != w.category:
		return "category"
	}
	return ""
}
