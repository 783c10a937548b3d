// Package trail is the index of the journal: for every customer, where the records stand that concern them.
// It makes a look into the past cost what the customer's own events cost, and not what the topic does.
//
// A record concerns the customer that it is keyed by and the home customer of every leg: a transfer within a
// partition is a record of the payer that touches rows of the receiver. The bank's own accounts, which every
// customer's records touch, have no trail.
package trail

import (
	"embed"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// Name is the projection's name.
const Name = "trail"

// Row is one chunk of a customer's trail: their records among 65,536 that follow each other in a partition.
type Row struct {
	// First and Last are the lowest and the highest offset, FirstAt and LastAt when these were recorded.
	First   int64        `avro:"first"`
	Last    int64        `avro:"last"`
	FirstAt event.Micros `avro:"first_at"`
	LastAt  event.Micros `avro:"last_at"`
	// Records is how many offsets there are.
	Records int64 `avro:"records"`
	// Deltas are the distances from each offset to the next, as variable-length integers.
	Deltas []byte `avro:"deltas"`
}

// Offsets appends the offsets of the chunk to dst, in order.
func (r *Row) Offsets(dst []int64) ([]int64, error) {
	at := r.First
	dst = append(dst, at)
	for b := r.Deltas; len(b) > 0; {
		delta, n := binary.Uvarint(b)
		if n <= 0 || delta == 0 || int64(delta) > r.Last-at {
			return nil, fmt.Errorf("offsets after %d: %w", at, projection.ErrStored)
		}
		at += int64(delta)
		dst = append(dst, at)
		b = b[n:]
	}
	return dst, nil
}

// Of returns the customer whose trail holds every record that touches the rows of a partition key: the
// customer itself, or that of an account. Rows of the bank's own accounts have none.
func Of(partition string) (customer string, ok bool) {
	customer, _, _ = strings.Cut(partition, ".")
	return customer, customer != "" && !event.Internal(customer)
}

// concerning are the fields that are read of every record of the journal.
type concerning struct {
	PartitionSeq int64        `avro:"partition_seq"`
	RecordedAt   event.Micros `avro:"recorded_at"`
	CustomerID   string       `avro:"customer_id"`
	last         chunk        `avro:"-"`
}

// chunk is the sort key of the chunk of the record before, which most records share.
type chunk struct {
	number int64
	sort   string
}

// posted are the fields of EntryPosted that are read.
type posted struct {
	concerning
	Legs []leg `avro:"legs"`
}

type leg struct {
	AccountID string `avro:"account_id"`
}

//go:embed testdata/*.txt
var scripts embed.FS

// Definition returns the projection.
func Definition() *projection.Definition {
	handlers := []projection.Handler[Row]{projection.On(topic.Transactions, event.NameEntryPosted, postedKeys, foldPosted)}
	for _, name := range []string{
		event.NameAccountOpened, event.NameAccountFrozen, event.NameAccountUnfrozen, event.NameAccountClosed,
		event.NameHoldPlaced, event.NameHoldReleased, event.NameHoldExpired,
		event.NameTransferSettled, event.NameCommandRejected, event.NameRewardRedemptionRequested,
	} {
		handlers = append(handlers, projection.On(topic.Transactions, name, keys, fold))
	}
	return projection.MustDefine(Name, 2, handlers...).Recorded(scripts)
}

// chunkBits is how many bits of a sequence number lie within a chunk. So many records of a partition are in
// one chunk, whoever they concern: most customers have a handful of them, and none more than so many.
const chunkBits = 16

// chunk returns the sort key of the record's chunk: chunks of a topic are in order of their offsets.
func (e *concerning) chunk() string {
	if n := e.PartitionSeq >> chunkBits; n != e.last.number || e.last.sort == "" {
		e.last = chunk{n, fmt.Sprintf("%s/%0*x", topic.Transactions, (64-chunkBits)/4, uint64(n)&(1<<(64-chunkBits)-1))}
	}
	return e.last.sort
}

func keys(e *concerning, k *projection.Keys) {
	if customer, ok := Of(e.CustomerID); ok {
		k.Add(customer, e.chunk())
	}
}

func postedKeys(e *posted, k *projection.Keys) {
	keys(&e.concerning, k)
	for i := range e.Legs {
		account := e.Legs[i].AccountID
		if event.Internal(account) {
			continue
		}
		if customer, ok := event.Home(account); ok && customer != e.CustomerID {
			k.Add(customer, e.chunk())
		}
	}
}

func fold(_ projection.Key, r *Row, e *concerning, m projection.Meta) error {
	if r.Records == 0 {
		r.First, r.FirstAt = m.Offset, e.RecordedAt
	} else {
		r.Deltas = binary.AppendUvarint(r.Deltas, uint64(m.Offset-r.Last))
	}
	r.Last, r.LastAt = m.Offset, e.RecordedAt
	r.Records++
	return nil
}

func foldPosted(k projection.Key, r *Row, e *posted, m projection.Meta) error {
	return fold(k, r, &e.concerning, m)
}
