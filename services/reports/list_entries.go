package reports

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/position"
)

// ListEntries implements bankv1.ReportsServiceServer. All pages are read from the generation of the first,
// each no earlier than the one before. An entry that is recorded between two pages is on a later one if it
// occurred later than the last line shown, and else on none of them.
func (s *Server) ListEntries(ctx context.Context, r *bankv1.ListEntriesRequest) (*bankv1.ListEntriesResponse, error) {
	customer, err := home(r.GetAccountId())
	if err != nil {
		return nil, err
	}
	span, err := stretchOf(r)
	if err != nil {
		return nil, err
	}
	q := query.Question{Projection: balances.Name, Customer: customer, MinPosition: r.GetMinPosition(), From: span.after, Past: r}
	v, err := s.reader.View(ctx, q)
	if err != nil {
		return nil, s.reader.Expired(ctx, q, err)
	}
	defer v.Close()
	a, err := s.account(v, r.GetAccountId())
	if err != nil {
		return nil, err
	}
	balance, err := s.effective(v, r.GetAccountId(), span.from)
	if err != nil {
		return nil, err
	}
	out, err := s.statement(v, r, span)
	if err != nil {
		return nil, err
	}
	out.OpeningBalanceMinor = balance
	for _, l := range out.Entries {
		balance += l.AmountMinor
		l.EffectiveBalanceMinor, l.Currency = balance, a.GetCurrency()
	}
	return out, nil
}

// stretch is a part of a statement, by its sort keys: from one up to, not including, another.
type stretch struct {
	after    position.Page
	from, to string
}

func stretchOf(r *bankv1.ListEntriesRequest) (stretch, error) {
	from, err := bound("from", r.GetFrom())
	if err != nil {
		return stretch{}, err
	}
	to, err := bound("to", r.GetTo())
	if err != nil {
		return stretch{}, err
	}
	if to != "" && from > to {
		return stretch{}, query.Wrong(query.ReasonMalformed, "from", "must not be later than to")
	}
	after, err := decodePage(r)
	if err != nil {
		return stretch{}, err
	}
	if after.Last != "" {
		from = after.Last + "\x00" // the key that follows
	}
	return stretch{after: after, from: from, to: to}, nil
}

// bound returns the sort key before the lines at a time or later; "" where there is none. Lines have
// microseconds, so that a time between two of them is as good as the later.
func bound(field string, t *timestamppb.Timestamp) (string, error) {
	if t == nil {
		return "", nil
	}
	if !t.IsValid() {
		return "", query.Wrong(query.ReasonMalformed, field, "is no time")
	}
	return balances.LineSort(t.AsTime().Add(time.Microsecond-1), 0), nil
}

// statement returns one page of lines.
func (s *Server) statement(v *engine.View, r *bankv1.ListEntriesRequest, span stretch) (*bankv1.ListEntriesResponse, error) {
	out := &bankv1.ListEntriesResponse{}
	last := position.Page{Generation: v.Generation, Next: v.Next}
	var broken error
	err := v.Scan(r.GetAccountId(), span.from, span.to, func(k projection.Key, stored []byte) bool {
		if len(out.Entries) == size(r.GetPageSize()) {
			out.NextPageToken = last.Encode(statementOf(r))
			return false
		}
		var l *balances.Line
		if l, broken = s.line(stored); broken != nil {
			return false
		}
		out.Entries = append(out.Entries, statementLine(k.Sort, l))
		last.Last = k.Sort
		return true
	})
	if err := errors.Join(err, broken); err != nil {
		return nil, err
	}
	out.Freshness = query.Freshness(v)
	return out, nil
}

// statementLine is a line as it is answered, but for what follows from other rows.
func statementLine(sort string, l *balances.Line) *bankv1.StatementLine {
	occurred, seq := balances.OccurredAt(sort)
	return &bankv1.StatementLine{
		EventId:           l.EventID,
		Kind:              bankv1.EntryKind(bankv1.EntryKind_value["ENTRY_KIND_"+l.Kind]),
		OccurredAt:        timestamppb.New(occurred),
		RecordedAt:        timestamppb.New(l.RecordedAt.Time()),
		AmountMinor:       l.AmountMinor,
		BalanceAfterMinor: l.BalanceAfterMinor,
		AccountSeq:        seq,
		Merchant:          l.Merchant,
		Category:          l.Category,
		Reverses:          l.Reverses,
	}
}
