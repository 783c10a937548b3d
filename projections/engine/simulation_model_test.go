//go:build synctests

package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// simulated is the projection of the simulation. Its rows say in which order they were folded, and its effects which
// row they come of.
const simulated = "simulated"

// customers is how many there are.
const customers = 4

// simulatedRow is a row.
type simulatedRow struct {
	Count int64 `avro:"count"`
	Order int64 `avro:"order"`
}

// bought is what the fold reads of an event: its customer and its number.
type bought struct {
	CustomerID string `avro:"customer_id"`
	Legs       []struct {
		AmountMinor int64 `avro:"amount_minor"`
	} `avro:"legs"`
}

func (b *bought) number() int64 { return b.Legs[1].AmountMinor }

func (f *simulatedRow) add(number int64) {
	f.Count++
	f.Order = f.Order*31 + number
}

// keysOf are the rows of an event: that of its customer, and now and then one of the whole partition.
func keysOf(customer string, number int64) []string {
	if number%3 == 0 {
		return []string{customer, "everyone"}
	}
	return []string{customer}
}

// toldOf are who is told of an event by the fold of a row: some twice, some in another partition.
func toldOf(key string, number int64) []string {
	told := []string{key}
	if number%4 == 0 {
		told = append(told, key)
	}
	if number%5 == 0 {
		told = append(told, "auditor "+strconv.FormatInt(number%3, 10))
	}
	return told
}

func simulatedDefinition(t *testing.T) *projection.Definition {
	t.Helper()
	d, err := projection.Define(simulated, 1, projection.Emit(topic.Transactions, event.NameEntryPosted,
		func(e *bought, k *projection.Keys) {
			for _, key := range keysOf(e.CustomerID, e.number()) {
				k.Add(key, "")
			}
		},
		func(k projection.Key, f *simulatedRow, e *bought, _ projection.Meta, out *projection.Effects) error {
			f.add(e.number())
			for _, who := range toldOf(k.Partition, e.number()) {
				out.Add(topic.Notifications, &event.NotificationRequested{
					Effect: event.Effect{CustomerID: who}, Kind: event.NotifyLargePurchase,
					AccountID: k.Partition, AmountMinor: e.number(), BalanceMinor: f.Order,
				})
			}
			return nil
		}).To(topic.Notifications, event.NameNotificationRequested))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// version is a row after one event.
type version struct {
	offset int64
	simulatedRow
}

// told is what an effect says.
type told struct {
	who, row      string
	number, order int64
}

// model is a fold of the log by one hand.
type model struct {
	// rows are the versions of each row of a partition.
	rows map[int32]map[string][]version
	// news are the effects of each event, by partition and offset.
	news map[int32]map[int64][]told
}

// scanned calls each for the committed records of a topic, partition by partition in order.
func scanned(ctx context.Context, c cluster.Cluster, name string, each func(*timeline.Record) error) error {
	spans, err := timeline.Spans(ctx, c, name)
	if err != nil {
		return err
	}
	return timeline.Scan(ctx, c, name, spans, func(b timeline.Batch) error {
		for _, rec := range b.Records {
			if err := each(rec); err != nil {
				return err
			}
		}
		return nil
	})
}

// decode decodes a record.
func decode[E any](ctx context.Context, c *codec.Codec, rec *timeline.Record) (out E, err error) {
	schema, err := c.Lookup(ctx, rec.Value)
	if err != nil {
		return out, err
	}
	return out, schema.Decode(rec.Value, &out)
}

// newModel folds the log.
func newModel(ctx context.Context, c cluster.Cluster, co *codec.Codec) (*model, error) {
	m := &model{rows: make(map[int32]map[string][]version), news: make(map[int32]map[int64][]told)}
	err := scanned(ctx, c, topic.Transactions, func(rec *timeline.Record) error {
		e, err := decode[event.EntryPosted](ctx, co, rec)
		if err != nil {
			return err
		}
		m.fold(rec, e.CustomerID, e.Legs[1].AmountMinor)
		return nil
	})
	return m, err
}

func (m *model) fold(rec *timeline.Record, customer string, number int64) {
	if m.rows[rec.Partition] == nil {
		m.rows[rec.Partition], m.news[rec.Partition] = make(map[string][]version), make(map[int64][]told)
	}
	rows, news := m.rows[rec.Partition], m.news[rec.Partition]
	for _, key := range keysOf(customer, number) {
		var next version
		if all := rows[key]; len(all) > 0 {
			next = all[len(all)-1]
		}
		next.add(number)
		next.offset = rec.Offset
		rows[key] = append(rows[key], next)
		for _, who := range toldOf(key, number) {
			news[rec.Offset] = append(news[rec.Offset], told{who, key, number, next.Order})
		}
	}
}

// problem says what is wrong with a row that a reader found in a task folded up to next; "" where nothing is. What
// is stored may be ahead of that, as a row is written before the checkpoint, and never behind.
func (m *model) problem(partition int32, key string, next int64, found *version) string {
	versions, must := m.rows[partition][key], -1
	for i, v := range versions {
		if v.offset < next {
			must = i
		}
	}
	if found == nil {
		if must >= 0 {
			return fmt.Sprintf("row %q is not there, and must be %+v", key, versions[must])
		}
		return ""
	}
	switch is := slices.Index(versions, *found); {
	case is < 0:
		return fmt.Sprintf("row %q is %+v, and never was: %+v", key, *found, versions)
	case is < must:
		return fmt.Sprintf("row %q is %+v, and must be %+v", key, *found, versions[must])
	}
	return ""
}

// verdict is what is to be said of the effects that were found.
type verdict struct {
	effects int
	// wrong were told twice, or are no news; untold are news that are not told.
	wrong, untold []string
	// unsaid is how many are not told that a generation owed which was cancelled. A process that ends before such a
	// one has told what it owes leaves it unsaid.
	unsaid int
}

// judge says which effects are not told once.
func (m *model) judge(found []event.NotificationRequested, p acts.Projection) verdict {
	out := verdict{effects: len(found)}
	want, owed := m.wanted(p)
	ids := make(map[string]bool)
	for _, e := range found {
		if ids[e.EffectID] {
			out.wrong = append(out.wrong, fmt.Sprintf("the effect %s of %s/%d at %d was published again", e.EffectID, e.SourceTopic, e.SourcePartition, e.SourceOffset))
		}
		ids[e.EffectID] = true
		want[told{e.CustomerID, e.AccountID, e.AmountMinor, e.BalanceMinor}]--
	}
	for n, left := range want {
		switch {
		case left < 0:
			out.wrong = append(out.wrong, fmt.Sprintf("%+v was told %d times more than it is news", n, -left))
		case left > 0 && owed[n].Cancelled:
			out.unsaid += left
		case left > 0:
			out.untold = append(out.untold, fmt.Sprintf("%+v was not told %d times", n, left))
		}
	}
	return out
}

// wanted returns how often each effect is to be told, and by whom.
func (m *model) wanted(p acts.Projection) (times map[told]int, by map[told]acts.Generation) {
	times, by = make(map[told]int), make(map[told]acts.Generation)
	for partition, news := range m.news {
		for offset, all := range news {
			g, ok := p.Generation(reignOf(p, partition, offset))
			for _, n := range all {
				if ok {
					times[n]++
					by[n] = g
				}
			}
		}
	}
	return times, by
}

// reignOf returns the generation that emits the effects of an event, 0 where nobody does.
func reignOf(p acts.Projection, partition int32, offset int64) int64 {
	for _, reign := range slices.Backward(p.Reigns) {
		if reign.Begins(topic.Transactions, partition) <= offset {
			return reign.Generation
		}
	}
	return 0
}
