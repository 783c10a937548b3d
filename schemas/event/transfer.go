package event

// TransferSettled says that a transfer to another partition was credited there.
type TransferSettled struct {
	Envelope
	AccountID    string `avro:"account_id"` // that sent it
	TransferID   string `avro:"transfer_id"`
	Counterparty string `avro:"counterparty"` // the account that received it
	AmountMinor  int64  `avro:"amount_minor"`
	Currency     string `avro:"currency"`
	SentAt       Micros `avro:"sent_at"`
	InboxNext    int64  `avro:"inbox_next"`
}

// TransferRelayed is a message between two partitions of the journal, and no fact: whoever gets it looks up
// what it is about.
type TransferRelayed struct {
	TransferID    string `avro:"transfer_id"`
	FromAccountID string `avro:"from_account_id"`
	ToAccountID   string `avro:"to_account_id"`
	Offset        int64  `avro:"offset"` // of the record that it is about
	RelayedAt     Micros `avro:"relayed_at"`
}
