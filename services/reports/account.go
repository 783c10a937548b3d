package reports

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
)

// home returns the customer whose account it is. An account of the bank is not to be found.
func home(account string) (customer string, err error) {
	if strings.HasPrefix(account, "@") {
		return "", accountNotFound(account)
	}
	customer, name, _ := strings.Cut(account, ".")
	if !wellFormed(customer, 64) || !wellFormed(name, 32) {
		return "", query.Wrong(query.ReasonMalformed, "account_id", "must be customer.name, of letters, digits, underscores and hyphens")
	}
	return customer, nil
}

// wellFormed reports whether a part of an account id is as the API has it.
func wellFormed(part string, limit int) bool {
	if part == "" || len(part) > limit || part[0] == '_' || part[0] == '-' {
		return false
	}
	return strings.Trim(part, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// ReasonAccountNotFound says that no such account was opened up to the position of the answer.
const ReasonAccountNotFound = "ACCOUNT_NOT_FOUND"

func accountNotFound(account string) error {
	return query.Refused(codes.NotFound, ReasonAccountNotFound, "there is no account "+account)
}

// account returns an account of a view.
func (s *Server) account(v *engine.View, id string) (*bankv1.Account, error) {
	key := balances.AccountKey(id)
	stored, err := v.Load(key)
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, accountNotFound(id)
	}
	return s.decodeAccount(key.Partition, stored)
}

func (s *Server) decodeAccount(customer string, stored []byte) (*bankv1.Account, error) {
	var r balances.Row
	if _, err := projection.Decode(s.balances, stored, &r); err != nil {
		return nil, err
	}
	a := r.Account
	if a == nil {
		return nil, fmt.Errorf("a row of customer %s is no account", customer)
	}
	return &bankv1.Account{
		AccountId:           a.AccountID,
		CustomerId:          customer,
		Kind:                bankv1.AccountKind(bankv1.AccountKind_value["ACCOUNT_KIND_"+a.Kind]),
		Currency:            a.Currency,
		BalanceMinor:        a.BalanceMinor,
		OverdraftLimitMinor: a.OverdraftLimitMinor,
		OpenedAt:            timestamppb.New(a.OpenedAt.Time()),
		Entries:             a.Entries,
		Status:              bankv1.AccountStatus(bankv1.AccountStatus_value["ACCOUNT_STATUS_"+a.Status]),
		HeldMinor:           a.HeldMinor,
		DailyLimitMinor:     a.DailyLimitMinor,
		TimeZone:            a.TimeZone,
		AvailableMinor:      a.BalanceMinor - a.HeldMinor,
	}, nil
}
