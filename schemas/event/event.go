// Package event holds the facts that Refold's topics carry: one Go struct and one Avro schema per event.
//
// The schema files are the contract and the structs follow them; a test encodes every event with one
// Avro library and decodes it with another. A released schema is kept for ever in published/, because a
// platform that replays history must read every schema that history was written with.
package event

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base32"
	"time"
)

// Names of the events: the full names of their Avro records.
const (
	NameAccountOpened   = "bank.AccountOpened"
	NameAccountFrozen   = "bank.AccountFrozen"
	NameAccountUnfrozen = "bank.AccountUnfrozen"
	NameAccountClosed   = "bank.AccountClosed"
	NameHoldPlaced      = "bank.HoldPlaced"
	NameHoldReleased    = "bank.HoldReleased"
	NameHoldExpired     = "bank.HoldExpired"
	NameEntryPosted     = "bank.EntryPosted"
	NameCommandRejected = "bank.CommandRejected"
	NameTransferSettled = "bank.TransferSettled"
	NameTransferRelayed = "bank.TransferRelayed"
	NameActRecorded     = "refold.ActRecorded"
	NameRoundEnded      = "refold.RoundEnded"

	NameNotificationRequested     = "bank.NotificationRequested"
	NameNotificationRead          = "bank.NotificationRead"
	NamePreferencesSet            = "bank.PreferencesSet"
	NameRewardRedemptionRequested = "bank.RewardRedemptionRequested"
)

// Schemas of the events, as they are registered.
var (
	//go:embed account_opened.avsc
	schemaAccountOpened string
	//go:embed account_frozen.avsc
	schemaAccountFrozen string
	//go:embed account_unfrozen.avsc
	schemaAccountUnfrozen string
	//go:embed account_closed.avsc
	schemaAccountClosed string
	//go:embed hold_placed.avsc
	schemaHoldPlaced string
	//go:embed hold_released.avsc
	schemaHoldReleased string
	//go:embed hold_expired.avsc
	schemaHoldExpired string
	//go:embed entry_posted.avsc
	schemaEntryPosted string
	//go:embed command_rejected.avsc
	schemaCommandRejected string
	//go:embed transfer_settled.avsc
	schemaTransferSettled string
	//go:embed transfer_relayed.avsc
	schemaTransferRelayed string
	//go:embed act_recorded.avsc
	schemaActRecorded string
	//go:embed round_ended.avsc
	schemaRoundEnded string
	//go:embed notification_requested.avsc
	schemaNotificationRequested string
	//go:embed notification_read.avsc
	schemaNotificationRead string
	//go:embed preferences_set.avsc
	schemaPreferencesSet string
	//go:embed reward_redemption_requested.avsc
	schemaRewardRedemptionRequested string
)

// Schema returns the Avro schema of a named event, or "" where there is no such event.
func Schema(name string) string {
	switch name {
	case NameAccountOpened:
		return schemaAccountOpened
	case NameAccountFrozen:
		return schemaAccountFrozen
	case NameAccountUnfrozen:
		return schemaAccountUnfrozen
	case NameAccountClosed:
		return schemaAccountClosed
	case NameHoldPlaced:
		return schemaHoldPlaced
	case NameHoldReleased:
		return schemaHoldReleased
	case NameHoldExpired:
		return schemaHoldExpired
	case NameEntryPosted:
		return schemaEntryPosted
	case NameCommandRejected:
		return schemaCommandRejected
	case NameTransferSettled:
		return schemaTransferSettled
	case NameTransferRelayed:
		return schemaTransferRelayed
	case NameActRecorded:
		return schemaActRecorded
	case NameRoundEnded:
		return schemaRoundEnded
	case NameNotificationRequested:
		return schemaNotificationRequested
	case NameNotificationRead:
		return schemaNotificationRead
	case NamePreferencesSet:
		return schemaPreferencesSet
	case NameRewardRedemptionRequested:
		return schemaRewardRedemptionRequested
	}
	return ""
}

// Names returns the names of all events, in the order in which they are registered.
func Names() []string {
	return []string{
		NameAccountOpened, NameEntryPosted, NameCommandRejected, NameActRecorded,
		NameAccountFrozen, NameAccountUnfrozen, NameAccountClosed,
		NameHoldPlaced, NameHoldReleased, NameHoldExpired, NameTransferSettled, NameTransferRelayed,
		NameNotificationRequested,
		NameRewardRedemptionRequested,
		NameNotificationRead, NamePreferencesSet,
		NameRoundEnded,
	}
}

// Micros is a time in microseconds since 1970-01-01 UTC, as Avro's timestamp-micros.
type Micros int64

// MicrosOf returns t in microseconds, rounded down.
func MicrosOf(t time.Time) Micros { return Micros(t.UnixMicro()) }

// Time returns the time in UTC.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// Hash is a SHA-256 digest of a stored record.
type Hash [32]byte

// CommandHash is a digest of a command's content.
type CommandHash [16]byte

// Envelope is what every record of a journal begins with.
type Envelope struct {
	EventID        string      `avro:"event_id"`
	PartitionSeq   int64       `avro:"partition_seq"`
	RecordedAt     Micros      `avro:"recorded_at"`
	PrevHash       Hash        `avro:"prev_hash"`
	CustomerID     string      `avro:"customer_id"`
	IdempotencyKey string      `avro:"idempotency_key"`
	CommandHash    CommandHash `avro:"command_hash"`
	Principal      string      `avro:"principal"`
	CorrelationID  string      `avro:"correlation_id"`
	CausationID    string      `avro:"causation_id"`
	Historical     bool        `avro:"historical"`
	OccurredAt     Micros      `avro:"occurred_at"`
}

// ID is the id of the event that a customer's idempotency key becomes, the same for every retry: 26 characters.
func ID(customer, key string) string {
	var buf [idSize]byte
	return string(appendID(buf[:0], customer, key))
}

// IsID tells whether id is that of a customer's idempotency key.
func IsID(id, customer, key string) bool {
	var buf [idSize]byte
	return string(appendID(buf[:0], customer, key)) == id
}

const idSize = 26

func appendID(dst []byte, customer, key string) []byte {
	b := make([]byte, 0, 128)
	b = append(append(append(b, customer...), 0), key...)
	sum := sha256.Sum256(b)
	return idEncoding.AppendEncode(dst, sum[:16])
}

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Envelop returns the envelope itself, so that whatever embeds one can be completed by the journal.
func (e *Envelope) Envelop() *Envelope { return e }

// AccountOpened says that an account exists from here on.
type AccountOpened struct {
	Envelope
	AccountID           string `avro:"account_id"`
	Kind                string `avro:"kind"`
	Currency            string `avro:"currency"`
	OverdraftLimitMinor int64  `avro:"overdraft_limit_minor"`
	DailyLimitMinor     int64  `avro:"daily_limit_minor"` // 0: none
	TimeZone            string `avro:"time_zone"`         // of the limit's days; "": UTC
}

// AccountFrozen says that from here on money may come to an account and none may leave it.
type AccountFrozen struct {
	Envelope
	AccountID string `avro:"account_id"`
	Reason    string `avro:"reason"`
}

// AccountUnfrozen says that an account is as it was before it was frozen.
type AccountUnfrozen struct {
	Envelope
	AccountID string `avro:"account_id"`
	Reason    string `avro:"reason"`
}

// AccountClosed says that nothing is booked to an account any more, for ever.
type AccountClosed struct {
	Envelope
	AccountID string `avro:"account_id"`
	Reason    string `avro:"reason"`
}

// HoldPlaced says that an amount of an account is not available, until the hold is captured, released or
// expires. The hold's id is the EventID.
type HoldPlaced struct {
	Envelope
	AccountID   string `avro:"account_id"`
	AmountMinor int64  `avro:"amount_minor"`
	Currency    string `avro:"currency"`
	ExpiresAt   Micros `avro:"expires_at"`
	Merchant    string `avro:"merchant"`
	MCC         string `avro:"mcc"`
	Category    string `avro:"category"`
	LimitDay    int64  `avro:"limit_day"` // as that of a Leg
}

// HoldReleased says that a hold has ended and its amount is available again.
type HoldReleased struct {
	Envelope
	AccountID   string `avro:"account_id"`
	HoldID      string `avro:"hold_id"`
	AmountMinor int64  `avro:"amount_minor"`
	ExpiresAt   Micros `avro:"expires_at"`
}

// HoldExpired says that a hold has ended because its time was over, and its amount is available again.
type HoldExpired struct {
	Envelope
	AccountID   string `avro:"account_id"`
	HoldID      string `avro:"hold_id"`
	AmountMinor int64  `avro:"amount_minor"`
	ExpiresAt   Micros `avro:"expires_at"`
}

// EntryPosted is one balanced entry: its legs sum to zero in every currency.
type EntryPosted struct {
	Envelope
	Kind     string `avro:"kind"`
	Legs     []Leg  `avro:"legs"`
	Merchant string `avro:"merchant"`
	MCC      string `avro:"mcc"`
	Category string `avro:"category"`
	RefundOf string `avro:"refund_of"`
	// The hold that the entry captures, on the account of the first leg; "" where it captures none.
	HoldID          string `avro:"hold_id"`
	HoldAmountMinor int64  `avro:"hold_amount_minor"`
	HoldExpiresAt   Micros `avro:"hold_expires_at"`
	// The entry that a reversal takes back, and its kind; "" in an entry that is none.
	Reverses     string `avro:"reverses"`
	ReversesKind string `avro:"reverses_kind"`
	// Of a transfer to another partition: the account there, and, where the entry receives or returns one,
	// the entry that sent it. Its first leg is booked to the account here, its second to @clearing.
	Counterparty string `avro:"counterparty"`
	TransferID   string `avro:"transfer_id"`
	SentAt       Micros `avro:"sent_at"`       // where the entry returns a transfer: when that was recorded
	ReturnReason string `avro:"return_reason"` // why it was not received
	InboxNext    int64  `avro:"inbox_next"`    // offset after the message of bank.transfers that made the entry, or 0
}

// Leg is one account's part of an entry, credit positive, debit negative, in minor units.
type Leg struct {
	AccountID         string `avro:"account_id"`
	AmountMinor       int64  `avro:"amount_minor"`
	Currency          string `avro:"currency"`
	BalanceAfterMinor int64  `avro:"balance_after_minor"`
	AccountSeq        int64  `avro:"account_seq"`
	// LimitDay is the day to whose limit a debit counts, in days since 1970-01-01; 0 where it counts to none.
	LimitDay int64 `avro:"limit_day"`
}

// CommandRejected says that a well-formed command was refused, and why.
type CommandRejected struct {
	Envelope
	Command   string `avro:"command"`
	AccountID string `avro:"account_id"`
	Reason    string `avro:"reason"`
	Detail    string `avro:"detail"`
	Content   []byte `avro:"content"`    // the command in canonical form, of which CommandHash is the digest
	InboxNext int64  `avro:"inbox_next"` // as that of an EntryPosted
}
