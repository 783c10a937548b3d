package event

// Kinds of alerts that a customer may have preferences of, as they stand in PreferencesSet.
const (
	AlertOther           = "OTHER"
	AlertLargePurchase   = "LARGE_PURCHASE"
	AlertLowBalance      = "LOW_BALANCE"
	AlertPaymentReturned = "PAYMENT_RETURNED"
	AlertScoreChange     = "SCORE_CHANGE"
	AlertForeignCurrency = "FOREIGN_CURRENCY"
	AlertUnusualSpending = "UNUSUAL_SPENDING"
)

// PreferencesSet says of what a customer wants to be told, and where they are. It counts only where its Revision
// follows that of the preferences before it: of two that were meant to replace the same ones the first counts, and one
// that comes again changes nothing.
type PreferencesSet struct {
	EventID       string      `avro:"event_id"`
	RecordedAt    Micros      `avro:"recorded_at"`
	CustomerID    string      `avro:"customer_id"`
	CommandHash   CommandHash `avro:"command_hash"`
	Principal     string      `avro:"principal"`
	CorrelationID string      `avro:"correlation_id"`
	Revision      int64       `avro:"revision"`
	TimeZone      string      `avro:"time_zone"` // "": UTC
	Rules         []AlertRule `avro:"rules"`     // in the order of their kinds, each at most once
}

// AlertRule is what a customer wants of one kind of alert.
type AlertRule struct {
	Kind  string `avro:"kind"`
	Off   bool   `avro:"off"`
	Limit int64  `avro:"limit"` // minor units, points or percent, by the kind; 0: the bank's own
}

// Name returns the full name of the event's Avro record.
func (*PreferencesSet) Name() string { return NamePreferencesSet }
