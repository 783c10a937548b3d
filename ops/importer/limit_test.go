package importer

import (
	"strings"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
)

// What checkLimits lets through is what the API's own rules let through.
func TestLimitsAreThoseOfTheAPI(t *testing.T) {
	for name, change := range map[string]func(*bankv1.PostEntryRequest){
		"good":             func(*bankv1.PostEntryRequest) {},
		"key empty":        func(p *bankv1.PostEntryRequest) { p.IdempotencyKey = "" },
		"key longest":      func(p *bankv1.PostEntryRequest) { p.IdempotencyKey = strings.Repeat("k", maxKey) },
		"key too long":     func(p *bankv1.PostEntryRequest) { p.IdempotencyKey = strings.Repeat("k", maxKey+1) },
		"key first char":   func(p *bankv1.PostEntryRequest) { p.IdempotencyKey = "!" },
		"key last char":    func(p *bankv1.PostEntryRequest) { p.IdempotencyKey = "~" },
		"key space":        func(p *bankv1.PostEntryRequest) { p.IdempotencyKey = "a b" },
		"key delete":       func(p *bankv1.PostEntryRequest) { p.IdempotencyKey = "a\x7f" },
		"key foreign":      func(p *bankv1.PostEntryRequest) { p.IdempotencyKey = "ä" },
		"account chars":    func(p *bankv1.PostEntryRequest) { p.AccountId = "bcc-aZ09_-.card" },
		"account dots":     func(p *bankv1.PostEntryRequest) { p.AccountId = "bcc-1.2.card" },
		"account space":    func(p *bankv1.PostEntryRequest) { p.AccountId = "bcc-1 2.card" },
		"account foreign":  func(p *bankv1.PostEntryRequest) { p.AccountId = "bcc-é.card" },
		"account longest":  func(p *bankv1.PostEntryRequest) { p.AccountId = strings.Repeat("c", maxCustomer) + ".card" },
		"account too long": func(p *bankv1.PostEntryRequest) { p.AccountId = strings.Repeat("c", maxCustomer+1) + ".card" },
		"amount zero":      func(p *bankv1.PostEntryRequest) { p.AmountMinor = 0 },
		"amount below":     func(p *bankv1.PostEntryRequest) { p.AmountMinor = -1 },
		"amount least":     func(p *bankv1.PostEntryRequest) { p.AmountMinor = 1 },
		"amount most":      func(p *bankv1.PostEntryRequest) { p.AmountMinor = maxAmount },
		"amount too much":  func(p *bankv1.PostEntryRequest) { p.AmountMinor = maxAmount + 1 },
		"merchant longest": func(p *bankv1.PostEntryRequest) { p.Merchant = strings.Repeat("é", maxMerchant) },
		"merchant long":    func(p *bankv1.PostEntryRequest) { p.Merchant = strings.Repeat("é", maxMerchant+1) },
		"category longest": func(p *bankv1.PostEntryRequest) { p.Category = strings.Repeat("c", maxCategory) },
		"category long":    func(p *bankv1.PostEntryRequest) { p.Category = strings.Repeat("c", maxCategory+1) },
	} {
		p := &bankv1.PostEntryRequest{
			IdempotencyKey: "K", AccountId: "bcc-5044.card", Kind: bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE,
			AmountMinor: 100, Currency: "GBP", OccurredAt: timestamppb.New(time.Unix(0, 0)),
		}
		change(p)
		got, want := checkLimits(p), protovalidate.Validate(p)
		if (got == nil) != (want == nil) {
			t.Errorf("%s: checkLimits = %v, the API's rules say %v", name, got, want)
		}
	}
	f := newFlight(bankv1.AccountKind_ACCOUNT_KIND_CARD)
	open := f.opening(&bankv1.PostEntryRequest{AccountId: "bcc-5044.card", Currency: "GBP"})
	if err := protovalidate.Validate(open); err != nil {
		t.Errorf("the API's rules refuse the opening: %v", err)
	}
}
