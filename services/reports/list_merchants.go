package reports

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/merchants"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/position"
)

// ListMerchants implements bankv1.ReportsServiceServer. All pages are read from the generation of the first, each
// no earlier than the one before: a merchant of whom something is recorded between two pages may be on both, or
// on none of them.
func (s *Server) ListMerchants(ctx context.Context, r *bankv1.ListMerchantsRequest) (*bankv1.ListMerchantsResponse, error) {
	if r.GetTo() != "" && r.GetFrom() > r.GetTo() {
		return nil, query.Wrong(query.ReasonMalformed, "from", "must not be later than to")
	}
	after, err := position.DecodePage(r.GetPageToken(), merchantsOf(r))
	if err != nil {
		return nil, query.Wrong(query.ReasonBadToken, "page_token", "is not a token of this list: begin with the first page")
	}
	q := query.Question{Projection: merchants.Name, Customer: r.GetCustomerId(), MinPosition: r.GetMinPosition(), From: after, Past: r}
	v, err := s.reader.View(ctx, q)
	if err != nil {
		return nil, s.reader.Expired(ctx, q, err)
	}
	defer v.Close()
	rows, err := s.merchantMonths(v, r.GetCustomerId(), r.GetFrom(), r.GetTo())
	if err != nil {
		return nil, err
	}
	all, err := together(rows)
	if err != nil {
		return nil, fmt.Errorf("merchants of customer %s: %w", r.GetCustomerId(), err)
	}
	out := &bankv1.ListMerchantsResponse{Freshness: query.Freshness(v)}
	last := after.Last
	for _, m := range all {
		place := placeOf(m)
		if place <= after.Last {
			continue
		}
		if len(out.Merchants) == size(r.GetPageSize()) {
			out.NextPageToken = position.Page{Generation: v.Generation, Next: v.Next, Last: last}.Encode(merchantsOf(r))
			break
		}
		last = place
		out.Merchants = append(out.Merchants, &bankv1.MerchantSpending{Merchant: m.Name, Currency: m.Currency, SpentMinor: m.SpentMinor, Entries: m.Entries})
	}
	return out, nil
}

// merchantsOf tells the list that is asked for from others: page tokens are of one customer, span and moment.
func merchantsOf(r *bankv1.ListMerchantsRequest) []byte {
	b := fmt.Appendf(nil, "%s %s %s %s ", r.GetCustomerId(), r.GetFrom(), r.GetTo(), r.GetAsOfPosition())
	if t := r.GetAsOfTime(); t != nil {
		b = fmt.Appendf(b, "%d.%d", t.GetSeconds(), t.GetNanos())
	}
	return b
}

// merchantMonths returns the rows of a customer from one month to another, included; "" is no bound.
func (s *Server) merchantMonths(v *engine.View, customer, from, to string) (map[string]merchants.Row, error) {
	if to != "" {
		to += "\x00"
	}
	rows := make(map[string]merchants.Row)
	var broken error
	err := v.Scan(customer, from, to, func(k projection.Key, stored []byte) bool {
		var row merchants.Row
		_, broken = projection.Decode(s.merchants, stored, &row)
		rows[k.Sort] = row
		return broken == nil
	})
	return rows, errors.Join(err, broken)
}

// together returns all merchants of some months, in the order of a listing.
func together(rows map[string]merchants.Row) ([]merchants.Merchant, error) {
	var sum merchants.Row
	for _, row := range rows {
		for _, m := range row.Merchants {
			if err := sum.Add(m); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(sum.Merchants, func(a, b merchants.Merchant) int {
		return cmp.Or(cmp.Compare(b.SpentMinor, a.SpentMinor), strings.Compare(a.Name, b.Name), strings.Compare(a.Currency, b.Currency))
	})
	return sum.Merchants, nil
}

// placeOf returns a text by which merchants are in the order of a listing.
func placeOf(m merchants.Merchant) string {
	b := binary.BigEndian.AppendUint64(nil, ^(uint64(m.SpentMinor) ^ 1<<63)) // the most first
	return string(b) + m.Name + "\x00" + m.Currency
}
