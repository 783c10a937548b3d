package history

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Record is a committed record of the journal, as far as a history is held against it.
type Record struct {
	Partition int32  `json:"-"`
	Offset    int64  `json:"-"`
	Type      string `json:"-"`

	EventID  string `json:"event_id"`
	Customer string `json:"customer_id"`
	Key      string `json:"idempotency_key"`
	Reason   string `json:"reason"`
	HoldID   string `json:"hold_id"`
	Legs     []Leg  `json:"legs"`
}

// Leg is one account's part of an entry.
type Leg struct {
	Account  string `json:"account_id"`
	Amount   int64  `json:"amount_minor"`
	Currency string `json:"currency"`
	Balance  int64  `json:"balance_after_minor"`
}

// NewRecord reads a record from the name of its event and its fields as JSON, which is what a codec that
// knows no event of this build makes of it.
func NewRecord(name string, fields json.RawMessage) (Record, error) {
	r := Record{Type: name}
	if err := json.Unmarshal(fields, &r); err != nil {
		return r, fmt.Errorf("read %s: %w", name, err)
	}
	return r, nil
}

// ends tells whether the record ends the hold that it names.
func (r *Record) ends() bool {
	switch r.Type {
	case "bank.EntryPosted", "bank.HoldReleased", "bank.HoldExpired":
		return r.HoldID != ""
	}
	return false
}

// cause is the id of the record that this one follows from without being asked for, "" where it was asked
// for: the bank ends its own keys with it, behind a space, and a key of a client has none.
func (r *Record) cause() string {
	_, id, _ := strings.Cut(r.Key, " ")
	return id[strings.LastIndex(id, " ")+1:]
}
