package transactions

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/timeline"
)

// errAhead says that the rows hold more than the log: the log was lost, or another one has its name.
var errAhead = errors.New("the ledger is ahead of the log")

// errChanged says that the log's last record is not the one that the rows were folded from. There is no record after
// it that would tell.
var errChanged = errors.New("the last record of the log was changed since the ledger has it")

// Journal is the journal of bank.transactions.
type Journal = journal.Journal[*Command, Outcome]

// Machines makes the machines of partitions. It may be used concurrently.
type Machines struct {
	topic      string
	codec      *codec.Codec
	ledger     Ledger
	log        Log
	definition *projection.Definition
	encoders   encoders
}

// OpenMachines registers the schemas of what the topic will hold. The machines decide against the rows of
// the ledger, and hold the log to what they say of its end.
func OpenMachines(ctx context.Context, c *codec.Codec, topic string, l Ledger, log Log) (*Machines, error) {
	m := &Machines{topic: topic, codec: c, ledger: l, log: log, definition: ledger.Definition()}
	var err error
	if m.encoders, err = openEncoders(ctx, c, topic); err != nil {
		return nil, fmt.Errorf("open the journal of %s: %w", topic, err)
	}
	return m, nil
}

// New returns the machine of a partition, for journal.Config.
func (m *Machines) New(partition int32) journal.Machine[*Command, Outcome] {
	return &machine{Machines: m, partition: partition, zones: make(map[string]*time.Location)}
}

// machine decides the commands of one partition.
//
// The simple story: the rows of the ledger are the state. But they are saved a while after the commit, and
// a command must see the one before it, which is not even committed. So the machine keeps an overlay: a
// folder of the same projection over the saved rows, into which it folds every record that it decides, with
// the same fold, at the offset that the journal will check. A batch that fails drops the overlay whole, and
// what was committed comes back through the log. A row is forgotten once the saved rows have it.
//
//   - Every record below the journal's next offset is either in the saved rows or in the overlay: Reset
//     waits for the first, and nobody else can append until the next Reset.
//   - A row in the overlay is never older than the saved one, and a row that is not in the overlay has not
//     changed since it was saved.
type machine struct {
	*Machines
	partition int32
	overlay   projection.Folder
	crowded   int // rows in the overlay at which it is looked through next
	zones     map[string]*time.Location
}

const (
	// fewRows is how many rows an overlay may always hold, and aheadOfRows by how many offsets it may be
	// ahead of the saved rows where a batch begins. Together with the batch they bound its memory, whatever
	// the number of keys.
	fewRows     = 4_096
	aheadOfRows = 20_000
)

// Reset implements journal.Machine.
func (m *machine) Reset(ctx context.Context, end int64) error {
	if err := m.ledger.Wait(ctx, m.partition, end); err != nil {
		return err
	}
	if at := m.ledger.Position(m.partition); at > end {
		return fmt.Errorf("%w: its rows are at %d and the log ends at %d", errAhead, at, end)
	}
	m.overlay = m.definition.NewFolder(m.codec, m.ledger.Base(m.partition))
	m.crowded = fewRows
	return m.proveHead(ctx)
}

// proveHead holds the last record of the log to its hash, which the rows have since they were folded. A record
// before it is held by the one after it.
func (m *machine) proveHead(ctx context.Context) error {
	head, err := m.head()
	if err != nil || head.PartitionSeq == 0 {
		return err
	}
	at := position.Partition{Topic: m.topic, Partition: m.partition}
	records, err := m.log.ReadAt(ctx, at, []int64{head.Offset})
	if errors.Is(err, timeline.ErrHole) {
		return nil // it is in the archive alone
	}
	if err != nil {
		return fmt.Errorf("read the last record: %w", err)
	}
	if sha256.Sum256(records[0].Value) != head.Hash {
		return fmt.Errorf("%w: offset %d", errChanged, head.Offset)
	}
	return nil
}

// KeepNear implements journal.Machine. It keeps the overlay small: it forgets what the saved rows have, and
// waits for them where they are too far behind.
func (m *machine) KeepNear(ctx context.Context, next int64) error {
	if m.overlay.Len() < m.crowded {
		return nil
	}
	at := m.ledger.Position(m.partition)
	if at < next-aheadOfRows {
		if err := m.ledger.Wait(ctx, m.partition, next-aheadOfRows/2); err != nil {
			return fmt.Errorf("wait for the ledger, which is at %d: %w", at, err)
		}
		at = m.ledger.Position(m.partition)
	}
	m.overlay.Forget(at - 1)
	// What is left is looked through again only when as much has come, so that a row costs the same
	// however many there are.
	m.crowded = max(fewRows, 2*m.overlay.Len())
	return nil
}

// Find implements journal.Machine.
func (m *machine) Find(ctx context.Context, c *Command) (Outcome, bool, error) {
	if c.sweep {
		return Outcome{}, true, nil // what it did not do the next one does
	}
	row, err := m.row(ledger.OutcomeKey(c.customer, c.key))
	if err != nil || row == nil || row.Outcome == nil {
		return Outcome{}, false, err
	}
	o, err := recorded(ctx, m.codec, m.partition, row.Outcome)
	if err == nil && c.wish != nil && c.hash != o.fact.Envelop().CommandHash {
		o.reused = c.differs(o.fact)
	}
	return o, err == nil, err
}

// Decide implements journal.Machine.
func (m *machine) Decide(ctx context.Context, c *Command, offset int64, now time.Time) (journal.Decision[Outcome], error) {
	o, found, err := m.Find(ctx, c)
	if err != nil || !c.sweep && (found || c.wish == nil) {
		return journal.Decision[Outcome]{Absent: !found, Outcome: o}, err
	}
	before, err := m.overdue(ctx, c, offset, event.MicrosOf(now))
	for i := range before {
		before[i].Time = now
	}
	if err != nil || c.sweep {
		return journal.Decision[Outcome]{Before: before}, err
	}
	offset += int64(len(before))
	head, err := m.head()
	if err != nil {
		return journal.Decision[Outcome]{}, err
	}
	at := max(event.MicrosOf(now), head.RecordedAt+1)
	v := view{partition: m.partition, now: at, rows: reading{m, ctx}}
	f := decide(&v, c)
	if v.err != nil || f == nil {
		return journal.Decision[Outcome]{Before: before}, v.err
	}
	c.complete(f, head, at)
	value, err := m.append(f, offset)
	if err != nil {
		return journal.Decision[Outcome]{}, err
	}
	return journal.Decision[Outcome]{
		Before:  before,
		Key:     []byte(c.customer),
		Value:   value,
		Time:    now, // not the log's time, which may be ahead: a broker refuses times that are
		Outcome: Outcome{fact: f, partition: m.partition, offset: offset},
	}, nil
}

// overdue lets the holds expire whose time is over by the time of a command: those that it may meet, and of a
// sweep all. Expiries move the time of the command on, which may make more of them due.
func (m *machine) overdue(ctx context.Context, c *Command, offset int64, now event.Micros) ([]journal.Record, error) {
	var out []journal.Record
	for {
		head, err := m.head()
		if err != nil {
			return nil, err
		}
		v := view{partition: m.partition, now: max(now, head.RecordedAt+1), rows: reading{m, ctx}}
		due := v.due
		if !c.sweep {
			due = func() []ledger.Item { return v.dueOf(c.accountIDs(&v)) }
		}
		holds := due()
		if v.err != nil || len(holds) == 0 {
			return out, v.err
		}
		expired, err := m.expire(holds, offset+int64(len(out)), v.now)
		out = append(out, expired...)
		if err != nil || c.sweep {
			return out, err
		}
	}
}

// complete gives a fact its place in the chain.
func (c *Command) complete(f fact, head ledger.Head, at event.Micros) {
	c.arrived(f)
	e := f.Envelop()
	*e = c.envelope()
	e.PartitionSeq = head.PartitionSeq + 1
	e.PrevHash = head.Hash
	e.RecordedAt = at
	e.OccurredAt = at
	if c.occurredAt != nil {
		e.OccurredAt = *c.occurredAt
	}
}

// append encodes a fact and folds it as the record that it will be.
func (m *machine) append(f fact, offset int64) ([]byte, error) {
	value, err := m.encoders.encode(f)
	if err != nil {
		return nil, err
	}
	rec := &timeline.Record{Topic: m.topic, Partition: m.partition, Offset: offset, Value: value}
	if err := m.overlay.Fold(rec); err != nil {
		return nil, fmt.Errorf("fold what was decided: %w", err)
	}
	return value, nil
}

func (m *machine) head() (ledger.Head, error) {
	row, err := m.row(ledger.HeadKey())
	if err != nil || row == nil {
		return ledger.Head{}, err
	}
	return *row.Head, nil
}

// reading is a machine as it is read during one call.
type reading struct {
	*machine
	ctx context.Context //nolint:containedctx // it lives as long as the call
}

// fact implements rows.
func (r reading) fact(o *ledger.Outcome) (fact, error) {
	out, err := recorded(r.ctx, r.codec, r.partition, o)
	return out.fact, err
}

// zone implements rows.
func (m *machine) zone(name string) (*time.Location, error) {
	if known := m.zones[name]; known != nil {
		return known, nil
	}
	zone, err := time.LoadLocation(name)
	if err == nil {
		m.zones[name] = zone
	}
	return zone, err
}

// row implements rows.
func (m *machine) row(key projection.Key) (*ledger.Row, error) {
	return projection.Peek[ledger.Row](m.overlay, key)
}
