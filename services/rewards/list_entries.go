package rewards

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/rewards"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/position"
)

// ListRewardEntries implements bankv1.RewardsServiceServer. All pages are read from the generation of the
// first, each no earlier than the one before. What is recorded between two pages is on none of them.
func (s *Server) ListRewardEntries(ctx context.Context, r *bankv1.ListRewardEntriesRequest) (*bankv1.ListRewardEntriesResponse, error) {
	after, err := position.DecodePage(r.GetPageToken(), ledgerOf(r))
	if err != nil {
		return nil, query.Wrong(query.ReasonBadToken, "page_token", "is not a token of this ledger: begin with the first page")
	}
	q := query.Question{Projection: rewards.Name, Customer: r.GetCustomerId(), MinPosition: r.GetMinPosition(), From: after, Past: r}
	v, err := s.reader.View(ctx, q)
	if err != nil {
		return nil, s.reader.Expired(ctx, q, err)
	}
	defer v.Close()
	if _, err := s.summary(v, r.GetCustomerId()); err != nil {
		return nil, err
	}
	out, err := s.page(v, r, after.Last)
	if err != nil {
		return nil, err
	}
	out.RulesVersion, out.Freshness = v.Version, query.Freshness(v)
	return out, nil
}

// ledgerOf tells the ledger that is asked for from others: page tokens are of one customer and moment.
func ledgerOf(r *bankv1.ListRewardEntriesRequest) []byte {
	b := append([]byte(r.GetCustomerId()), 0)
	if t := r.GetAsOfTime(); t != nil {
		b = binary.BigEndian.AppendUint64(b, uint64(t.GetSeconds()))
		b = binary.BigEndian.AppendUint32(b, uint32(t.GetNanos()))
	}
	return append(append(b, 0), r.GetAsOfPosition()...)
}

// page returns the entries behind a place.
func (s *Server) page(v *engine.View, r *bankv1.ListRewardEntriesRequest, last string) (*bankv1.ListRewardEntriesResponse, error) {
	from, to := rewards.Entries()
	if last != "" {
		from = last + "\x00" // the key that follows
	}
	out, size := &bankv1.ListRewardEntriesResponse{}, int(cmp.Or(r.GetPageSize(), 100))
	var broken error
	err := v.Scan(r.GetCustomerId(), from, to, func(k projection.Key, stored []byte) bool {
		if len(out.Entries) == size {
			out.NextPageToken = position.Page{Generation: v.Generation, Next: v.Next, Last: last}.Encode(ledgerOf(r))
			return false
		}
		var e *bankv1.RewardEntry
		if e, broken = s.entry(k, stored); broken != nil {
			return false
		}
		out.Entries = append(out.Entries, e)
		last = k.Sort
		return true
	})
	return out, errors.Join(err, broken)
}

func (s *Server) entry(k projection.Key, stored []byte) (*bankv1.RewardEntry, error) {
	r, err := s.decode(stored)
	if err == nil && r.Entry == nil {
		err = errors.New("the row is no entry")
	}
	if err != nil {
		return nil, fmt.Errorf("entry %q of customer %s: %w", k.Sort, k.Partition, err)
	}
	e := r.Entry
	return &bankv1.RewardEntry{
		EventId: rewards.EventOf(k.Sort), Kind: bankv1.RewardEntryKind(bankv1.RewardEntryKind_value["REWARD_ENTRY_KIND_"+e.Kind]),
		OccurredAt: timestamppb.New(e.OccurredAt.Time()), Points: e.Points, Expired: e.Expired, Balance: e.Balance, Asked: e.Asked,
	}, nil
}
