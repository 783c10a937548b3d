package reports_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/query"
)

// balances returns what the lines of a statement say: the balance as recorded and as effective, from the opening on.
func (b *bank) balances(r *bankv1.ListEntriesRequest) (recorded, effective []int64) {
	b.t.Helper()
	r.AccountId = "c1.main"
	got, err := b.server.ListEntries(b.t.Context(), r)
	if err != nil {
		b.t.Fatal(err)
	}
	effective = append(effective, got.GetOpeningBalanceMinor())
	for _, l := range got.GetEntries() {
		recorded, effective = append(recorded, l.GetBalanceAfterMinor()), append(effective, l.GetEffectiveBalanceMinor())
	}
	return recorded, effective
}

// LG-21: an entry that is dated back changes the statement of the past by what occurred, and leaves that by what
// was recorded as it was.
func TestLG21BackDatedEntry(t *testing.T) {
	b := newBank(t)
	at := func(month, day int) time.Time { return time.Date(2014, time.Month(month), day, 12, 0, 0, 0, time.UTC) }
	account := opened("c1.main", event.AccountCurrent)
	account.RecordedAt = event.MicrosOf(at(1, 1))
	before := b.commit(account,
		recorded(b.posted("c1.main", at(1, 5), event.EntryDeposit, "", 1000), at(1, 5)),
		recorded(b.posted("c1.main", at(2, 5), event.EntryWithdrawal, "", -300), at(2, 5)),
		recorded(b.posted("c1.main", at(3, 5), event.EntryWithdrawal, "", -50), at(3, 5)))
	late := recorded(b.posted("c1.main", at(1, 31), event.EntryFee, "", -7), at(3, 9))
	seen := b.commit(late)

	february := &bankv1.ListEntriesRequest{From: timestamppb.New(at(2, 1)), To: timestamppb.New(at(3, 1))}
	all := &bankv1.ListEntriesRequest{}
	for name, c := range map[string]struct {
		r                   *bankv1.ListEntriesRequest
		recorded, effective string
		past                bool
	}{
		"all, as it was":      {all, "[1000 700 650]", "[0 1000 700 650]", true},
		"all":                 {all, "[1000 643 700 650]", "[0 1000 993 693 643]", false},
		"february, as it was": {february, "[700]", "[1000 700]", true},
		"february":            {february, "[700]", "[993 693]", false},
	} {
		for _, asked := range []*bankv1.ListEntriesRequest{
			{From: c.r.From, To: c.r.To, AsOfPosition: before}, {From: c.r.From, To: c.r.To, AsOfTime: timestamppb.New(at(3, 8))}, {From: c.r.From, To: c.r.To, MinPosition: seen},
		} {
			if past := asked.MinPosition == ""; past != c.past {
				continue
			}
			if was, effective := b.balances(asked); fmt.Sprint(was) != c.recorded || fmt.Sprint(effective) != c.effective {
				t.Errorf("%s: got %v and %v, want %s and %s", name, was, effective, c.recorded, c.effective)
			}
		}
	}
	for _, c := range []struct {
		at     time.Time
		past   string
		now    int64
		before int64
	}{{at(1, 4), "", 0, 0}, {at(1, 5), "", 1000, 1000}, {at(1, 5).Add(-time.Microsecond), "", 0, 0}, {at(1, 31), "", 993, 1000}, {at(2, 28), "", 693, 700}, {at(12, 1), "", 643, 650}} {
		now, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: "c1.main", MinPosition: seen, EffectiveAt: timestamppb.New(c.at)})
		if err != nil || now.GetEffectiveBalanceMinor() != c.now || now.GetAccount().GetBalanceMinor() != 643 {
			t.Errorf("at %s: got %v, %v, want %d", c.at, now, err, c.now)
		}
		then, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: "c1.main", AsOfPosition: before, EffectiveAt: timestamppb.New(c.at)})
		if err != nil || then.GetEffectiveBalanceMinor() != c.before || then.GetAccount().GetBalanceMinor() != 650 {
			t.Errorf("at %s as it was: got %v, %v, want %d", c.at, then, err, c.before)
		}
	}
	_, err := b.server.GetAccount(t.Context(), &bankv1.GetAccountRequest{AccountId: "c1.main", EffectiveAt: &timestamppb.Timestamp{Nanos: -1}})
	refused(t, err, codes.InvalidArgument, query.ReasonMalformed)
}

// Pages go on with the balance where the page before ended.
func TestBalancesOverPages(t *testing.T) {
	b := newBank(t)
	r := &bankv1.ListEntriesRequest{AccountId: "c1.main", MinPosition: b.statement(3, 1, 2, 31, 5), PageSize: 2}
	sum := int64(0)
	for lines := 0; ; {
		got, err := b.server.ListEntries(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got.GetOpeningBalanceMinor() != sum {
			t.Errorf("a page opens with %d, want %d", got.GetOpeningBalanceMinor(), sum)
		}
		for _, l := range got.GetEntries() {
			if sum += l.GetAmountMinor(); l.GetEffectiveBalanceMinor() != sum || l.GetCurrency() != "EUR" {
				t.Errorf("got %v, want a balance of %d", l, sum)
			}
			lines++
		}
		if r.PageToken = got.GetNextPageToken(); r.PageToken == "" {
			if lines != 5 {
				t.Errorf("got %d lines, want 5", lines)
			}
			break
		}
	}
}
