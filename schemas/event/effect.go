package event

import "crypto/sha256"

// Effect is what every event begins with that a fold emits. The fold names the customer, whose id is the key of
// the record; the rest is filled in for it.
type Effect struct {
	// EffectID is the same whatever is replayed, and in every generation; see EffectIDOf.
	EffectID string `avro:"effect_id"`
	// Projection emits the effect, from the event at the source position.
	Projection      string `avro:"projection"`
	SourceTopic     string `avro:"source_topic"`
	SourcePartition int32  `avro:"source_partition"`
	SourceOffset    int64  `avro:"source_offset"`
	CustomerID      string `avro:"customer_id"`
	// Principal, CorrelationID and OccurredAt are those of the source event, CausationID is its id.
	Principal     string `avro:"principal"`
	CorrelationID string `avro:"correlation_id"`
	CausationID   string `avro:"causation_id"`
	OccurredAt    Micros `avro:"occurred_at"`
}

// Emitted is an event that a fold emits: one that embeds an Effect, and can name itself.
type Emitted interface {
	// Emission returns the event's Effect, to be filled in.
	Emission() *Effect
	// Name returns the full name of the event's Avro record.
	Name() string
}

// Emission implements Emitted.
func (e *Effect) Emission() *Effect { return e }

// EffectIDOf returns the id of an effect: a digest of what emits it, the source position, the row, and the number
// of effects that the event had on that row before it. The parts are told apart by what goes before each.
func EffectIDOf(e *Effect, row []byte, ordinal int) string {
	b := make([]byte, 0, 128)
	b = append(append(b, e.Projection...), 0)
	b = append(append(b, e.SourceTopic...), 0)
	for _, n := range []int64{int64(e.SourcePartition), e.SourceOffset, int64(ordinal)} {
		for shift := 56; shift >= 0; shift -= 8 {
			b = append(b, byte(n>>shift))
		}
	}
	sum := sha256.Sum256(append(b, row...))
	return idEncoding.EncodeToString(sum[:16])
}

// Kinds of notifications, as they stand in NotificationRequested.
const (
	NotifyOther           = "OTHER"
	NotifyLargePurchase   = "LARGE_PURCHASE"
	NotifyLowBalance      = "LOW_BALANCE"
	NotifyPaymentReturned = "PAYMENT_RETURNED"
	NotifyForeignCurrency = "FOREIGN_CURRENCY"
	NotifyUnusualSpending = "UNUSUAL_SPENDING"
)

// NotificationRequested says that a customer is to be told something. It holds ids and amounts, and nothing
// personal: who tells the customer looks up how to reach them.
type NotificationRequested struct {
	Effect
	Kind      string `avro:"kind"`
	AccountID string `avro:"account_id"`
	// AmountMinor is what moved, BalanceMinor what the account has after it, and ThresholdMinor the limit that
	// was passed; 0 where there is none.
	AmountMinor    int64  `avro:"amount_minor"`
	BalanceMinor   int64  `avro:"balance_minor"`
	ThresholdMinor int64  `avro:"threshold_minor"`
	Currency       string `avro:"currency"`
	// Category is what the money was spent on, a name of package category; "" where that is not what is told.
	Category string `avro:"category"`
}

// Name implements Emitted.
func (*NotificationRequested) Name() string { return NameNotificationRequested }
