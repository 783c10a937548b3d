package exporter

// entry is a row: one customer's leg of an entry. Times are in microseconds.
type entry struct {
	Partition         int32  `parquet:"partition"`
	Offset            int64  `parquet:"offset"`
	Leg               int32  `parquet:"leg"`
	EventID           string `parquet:"event_id"`
	RecordedAt        int64  `parquet:"recorded_at,timestamp(microsecond)"`
	OccurredAt        int64  `parquet:"occurred_at,timestamp(microsecond)"`
	Kind              string `parquet:"kind,dict"`
	CustomerID        string `parquet:"customer_id,dict"`
	AccountID         string `parquet:"account_id,dict"`
	AmountMinor       int64  `parquet:"amount_minor"`
	Currency          string `parquet:"currency,dict"`
	BalanceAfterMinor int64  `parquet:"balance_after_minor"`
	AccountSeq        int64  `parquet:"account_seq"`
	Merchant          string `parquet:"merchant,dict"`
	MCC               string `parquet:"mcc,dict"`
	SourceCategory    string `parquet:"source_category,dict"`
	Category          string `parquet:"category,dict"`
	RefundOf          string `parquet:"refund_of"`
	Reverses          string `parquet:"reverses"`
}
