package model

import (
	"bytes"
	"testing"

	"github.com/refold/refold/schemas/event"
)

// commands returns one command of every name.
func commands() []Command {
	at := event.Micros(1_700_000_000_000_000)
	legs := []Leg{{"c1.main", -5, "EUR"}, {"c2.main", 5, "EUR"}}
	return []Command{
		{Name: OpenAccount, Account: "c1.main", Kind: "CARD", Currency: "EUR", Overdraft: 5},
		{Name: OpenAccount, Account: "c1.main", Kind: "CARD", Currency: "EUR", Daily: 7, Zone: "Europe/Paris", Correlation: "x"},
		{Name: PostEntry, Account: "c1.main", Kind: "REFUND", Currency: "EUR", Amount: 5, Merchant: "m", MCC: "1234", Category: "c", RefundOf: "e", OccurredAt: &at},
		{Name: PostEntries, Account: "c1.main", Kind: "OTHER", Legs: legs, Category: "c", Historical: true},
		{Name: Transfer, Account: "c1.main", Legs: legs, Category: "c"},
		{Name: PlaceHold, Account: "c1.main", Amount: 5, Currency: "EUR", Merchant: "m", ExpiresAt: &at},
		{Name: PlaceHold, Account: "c1.main", Amount: 5, Currency: "EUR"},
		{Name: CaptureHold, Account: "c1.main", Hold: "h", Kind: "FEE", Amount: 5},
		{Name: ReleaseHold, Account: "c1.main", Hold: "h"},
		{Name: ReverseEntry, Account: "c1.main", Entry: "e"},
		{Name: RedeemRewards, Account: "c1.main", Amount: 5},
		{Name: FreezeAccount, Account: "c1.main", Reason: "r"},
		{Name: UnfreezeAccount, Account: "c1.main"},
		{Name: CloseAccount, Account: "c1.main"},
		{Name: ReceiveTransfer, TransferID: "t", Counterparty: "c1.main", Account: "c2.main", Amount: 5, Currency: "EUR", Category: "c"},
		{Name: EndTransfer, TransferID: "t", Account: "c1.main", Reason: "ACCOUNT_CLOSED"},
	}
}

// FuzzContent reads any bytes as the content of a command: what is one has no other meaning, and one writing
// that is as short as can be.
func FuzzContent(f *testing.F) {
	for _, c := range commands() {
		f.Add(c.Content())
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		c, err := Parse(content)
		if err != nil {
			return
		}
		if again := c.Content(); !bytes.Equal(again, content) {
			t.Errorf("got %x, want %x", again, content)
		}
	})
}
