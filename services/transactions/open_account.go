package transactions

import (
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/schemas/money"
)

// openAccount wants an account to exist.
type openAccount struct {
	account  string
	kind     string
	currency string
	limit    int64 // minor units
	daily    int64 // minor units; 0: no limit
	zone     string
}

func newOpenAccount(r *bankv1.OpenAccountRequest, principal string) (*Command, *Refusal) {
	kind, ok := kindName(r.GetKind(), bankv1.AccountKind_name, accountKindPrefix)
	switch {
	case !ok:
		return nil, malformed("kind: must be set")
	case r.GetOverdraftLimitMinor() < 0:
		return nil, malformed("overdraft_limit_minor: must not be negative")
	case r.GetDailyLimitMinor() < 0:
		return nil, malformed("daily_limit_minor: must not be negative")
	case r.GetTimeZone() != "" && !isZone(r.GetTimeZone()):
		return nil, malformed("time_zone: must be a name in the IANA time zone database")
	}
	return newCommand(r, &openAccount{
		account:  r.GetAccountId(),
		kind:     kind,
		currency: r.GetCurrency(),
		limit:    r.GetOverdraftLimitMinor(),
		daily:    r.GetDailyLimitMinor(),
		zone:     r.GetTimeZone(),
	}, principal)
}

func (w *openAccount) name() string { return "OpenAccount" }

func (w *openAccount) accountID() string { return w.account }

func (w *openAccount) content(c content) content {
	c = c.text(w.account).text(w.kind).text(w.currency).number(w.limit)
	if w.daily != 0 || w.zone != "" {
		c = c.number(w.daily).text(w.zone)
	}
	return c
}

func (w *openAccount) decide(v *view) (fact, *rejection) {
	if v.account(w.account) != nil {
		return nil, reject(ReasonAccountExists, "account %s exists", w.account)
	}
	if _, ok := money.Exponent(w.currency); !ok {
		return nil, reject(ReasonCurrencyUnknown, "%s is not an ISO 4217 currency in use", w.currency)
	}
	return &event.AccountOpened{
		AccountID:           w.account,
		Kind:                w.kind,
		Currency:            w.currency,
		OverdraftLimitMinor: w.limit,
		DailyLimitMinor:     w.daily,
		TimeZone:            w.zone,
	}, nil
}

func (w *openAccount) differs(f fact) string {
	e, ok := f.(*event.AccountOpened)
	switch {
	case !ok:
		return "the command"
	case e.AccountID != w.account:
		return "account_id"
	case e.Kind != w.kind:
		return "kind"
	case e.Currency != w.currency:
		return "currency"
	case e.OverdraftLimitMinor != w.limit:
		return "overdraft_limit_minor"
	case e.DailyLimitMinor != w.daily:
		return "daily_limit_minor"
	case e.TimeZone != w.zone:
		return "time_zone"
	}
	return ""
}
