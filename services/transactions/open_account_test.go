package transactions

import (
	"reflect"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
)

func openRequest() *bankv1.OpenAccountRequest {
	return &bankv1.OpenAccountRequest{
		IdempotencyKey: "k", AccountId: "c1.main", Kind: bankv1.AccountKind_ACCOUNT_KIND_SAVINGS, Currency: "EUR", OverdraftLimitMinor: 500,
	}
}

func TestOpenAccountDecides(t *testing.T) {
	opened := &event.AccountOpened{AccountID: "c1.main", Kind: event.AccountSavings, Currency: "EUR", OverdraftLimitMinor: 500}
	refused := func(reason, detail string) fact {
		return &event.CommandRejected{Command: "OpenAccount", AccountID: "c1.main", Reason: reason, Detail: detail}
	}
	for name, c := range map[string]struct {
		change func(*bankv1.OpenAccountRequest)
		given  accounts
		want   fact
	}{
		"new":    {func(*bankv1.OpenAccountRequest) {}, nil, opened},
		"exists": {func(*bankv1.OpenAccountRequest) {}, accounts{"c1.main": {Currency: "EUR"}}, refused(ReasonAccountExists, "account c1.main exists")},
		"unknown currency": {
			func(r *bankv1.OpenAccountRequest) { r.Currency = "XXX" }, nil,
			refused(ReasonCurrencyUnknown, "XXX is not an ISO 4217 currency in use"),
		},
		"before 1900": {
			func(r *bankv1.OpenAccountRequest) { r.OccurredAt = timestamppb.New(earliest.Time().Add(-1)) }, nil,
			refused(ReasonOccurredAt, "it occurred at 1899-12-31T23:59:59.999999Z, which is before 1900"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := openRequest()
			c.change(r)
			command, refusal := newOpenAccount(r, "tester")
			if refusal != nil {
				t.Fatal(refusal)
			}
			if rejected, ok := c.want.(*event.CommandRejected); ok {
				rejected.Content = command.content()
			}
			if got := decide(seen(c.given), command); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestMalformedOpenAccount(t *testing.T) {
	for name, change := range map[string]func(*bankv1.OpenAccountRequest){
		"no kind":         func(r *bankv1.OpenAccountRequest) { r.Kind = 0 },
		"unknown kind":    func(r *bankv1.OpenAccountRequest) { r.Kind = 99 },
		"negative limit":  func(r *bankv1.OpenAccountRequest) { r.OverdraftLimitMinor = -1 },
		"no key":          func(r *bankv1.OpenAccountRequest) { r.IdempotencyKey = "" },
		"no account":      func(r *bankv1.OpenAccountRequest) { r.AccountId = "" },
		"no customer":     func(r *bankv1.OpenAccountRequest) { r.AccountId = ".main" },
		"no name":         func(r *bankv1.OpenAccountRequest) { r.AccountId = "c1." },
		"internal":        func(r *bankv1.OpenAccountRequest) { r.AccountId = "@world.0.EUR" },
		"zero byte":       func(r *bankv1.OpenAccountRequest) { r.AccountId = "c1\x00.main" },
		"impossible time": func(r *bankv1.OpenAccountRequest) { r.OccurredAt = &timestamppb.Timestamp{Nanos: -1} },
	} {
		r := openRequest()
		change(r)
		if _, refusal := newOpenAccount(r, "tester"); refusal == nil || refusal.Reason != ReasonMalformed {
			t.Errorf("%s: got %v, want %s", name, refusal, ReasonMalformed)
		}
	}
}
