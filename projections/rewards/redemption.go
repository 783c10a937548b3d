package rewards

import (
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
)

// requested are the fields of RewardRedemptionRequested that are read.
type requested struct {
	EventID      string       `avro:"event_id"`
	PartitionSeq int64        `avro:"partition_seq"`
	CustomerID   string       `avro:"customer_id"`
	OccurredAt   event.Micros `avro:"occurred_at"`
	Points       int64        `avro:"points"`
	told         told         `avro:"-"`
}

func requestedKeys(e *requested, k *projection.Keys) {
	e.told = told{}
	k.Add(e.CustomerID, summarySort)
	k.Add(e.CustomerID, entrySort(e.PartitionSeq, e.EventID))
}

func (r *Rules) foldRequested(k projection.Key, row *Row, e *requested, m projection.Meta) error {
	if k.Sort != summarySort {
		return row.foldEntry(k, &e.told, m)
	}
	if row.Summary == nil {
		row.Summary = &Summary{}
	}
	s := row.Summary
	entry := Entry{Kind: Refused, Asked: e.Points, OccurredAt: e.OccurredAt}
	entry.Expired = s.advance(monthOf(e.OccurredAt), r.LifeMonths)
	done, err := s.redeem(e.Points)
	if done {
		entry.Kind, entry.Points = Redeemed, -e.Points
	}
	entry.Balance = s.Balance()
	e.told = told{offset: m.Offset, customer: k.Partition, summed: true, entry: entry}
	return err
}
