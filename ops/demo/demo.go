// Package demo is the real data that a first look at Refold imports: an excerpt of the purchase-card
// transactions that Birmingham City Council publishes. ATTRIBUTION.md has its licence, which goes wherever
// the data goes.
//
// The excerpt holds all rows of six cards, from April 2014 to December 2016, in the order and with the
// values of the whole data set, and of its columns those that the import reads. So an import of the whole
// set after one of the excerpt finds the rows of the excerpt in the bank and posts all others.
package demo

import (
	_ "embed"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
)

const (
	// Name is the name of the file.
	Name = "birmingham.csv.gz"
	// Format is the name of the file's format, as the importer knows it.
	Format = "birmingham"
	// Customer is one of the six, with purchases in almost every month and refunds.
	Customer = "bcc-2968"
	// Account is the customer's card.
	Account = Customer + ".card"
)

// Purchase is made by the customer once the excerpt is imported, on the day after its last row: it is no history, and
// so the customer is told of it. It is made once, however often it is asked for.
func Purchase() *bankv1.PostEntryRequest {
	return &bankv1.PostEntryRequest{
		IdempotencyKey: "demo-purchase", AccountId: Account, Kind: bankv1.EntryKind_ENTRY_KIND_CARD_PURCHASE,
		AmountMinor: 64_000, Currency: "GBP", Merchant: "a travel agency", Mcc: "4722",
		OccurredAt: timestamppb.New(time.Date(2017, time.January, 1, 12, 0, 0, 0, time.UTC)),
	}
}

// Birmingham is the excerpt: CSV with a header, compressed with gzip. It must not be changed.
//
//go:embed birmingham.csv.gz
var Birmingham []byte
