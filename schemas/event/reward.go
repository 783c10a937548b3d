package event

// RewardRedemptionRequested says that a customer asked for something against points. No money moves with it,
// and whether there are enough points is decided by the fold of the rewards.
type RewardRedemptionRequested struct {
	Envelope
	AccountID string `avro:"account_id"` // of the customer, for which the points are redeemed
	Points    int64  `avro:"points"`     // positive
}
