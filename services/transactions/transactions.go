// Package transactions is the ledger of the bank: it takes commands, decides them, and appends what it
// decided to the journal, bank.transactions.
//
// One record is one decision, and one EntryPosted is one balanced entry: its legs sum to zero. A retry with
// the same idempotency key gets the first answer, for ever, whether the command was accepted or refused.
//
// The parts, in the order in which a command meets them: server.go and submit.go take it from gRPC,
// command.go and one file for each command make it a Command and decide it by pure functions, view.go and
// book.go are what they decide by, machine.go
// lets the journal decide against the rows of the ledger and what is not yet folded into them, answer.go
// makes the answer of the record. verify.go reads a whole journal and doubts everything.
package transactions

import (
	"context"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
)

// Ledger is the followed projection of package ledger. Its methods may be called concurrently.
type Ledger interface {
	// Base returns the saved rows of a partition. The base is used by one goroutine at a time.
	Base(partition int32) projection.Base
	// Wait returns when the rows of every record below an offset are saved; or with the error for which
	// they will not be, or that of ctx.
	Wait(ctx context.Context, partition int32, offset int64) error
	// Position returns the offset below which the rows of every record are saved.
	Position(partition int32) int64
	// Ends asks the brokers where the journal ends, by partition.
	Ends(ctx context.Context) (cluster.Offsets, error)
}

// Log is the journal as the brokers have it. Its methods may be called concurrently.
type Log interface {
	// ReadAt returns the committed records of a partition at offsets; timeline.ErrHole where it has one of them not.
	ReadAt(ctx context.Context, at position.Partition, offsets []int64) ([]*timeline.Record, error)
}
