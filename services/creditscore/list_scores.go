package creditscore

import (
	"cmp"
	"context"
	"time"

	"github.com/refold/refold/projections/creditscore"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/position"
)

// ListScores implements bankv1.CreditScoreServiceServer. All pages are read from the generation of the
// first, each no earlier than the one before.
func (s *Server) ListScores(ctx context.Context, r *bankv1.ListScoresRequest) (*bankv1.ListScoresResponse, error) {
	after, err := position.DecodePage(r.GetPageToken(), []byte(r.GetCustomerId()))
	if err != nil {
		return nil, query.Wrong(query.ReasonBadToken, "page_token", "is not a token of this history: begin with the first page")
	}
	q := query.Question{Projection: creditscore.Name, Customer: r.GetCustomerId(), MinPosition: r.GetMinPosition(), From: after}
	v, err := s.reader.View(ctx, q)
	if err != nil {
		return nil, s.reader.Expired(ctx, q, err)
	}
	defer v.Close()
	row, err := s.row(v, r.GetCustomerId())
	if err != nil {
		return nil, err
	}
	out := page(r, row.Changes, position.Page{Generation: v.Generation, Next: v.Next, Last: after.Last})
	for _, c := range out.Changes {
		c.Partition = v.Partition
	}
	out.ModelVersion, out.Freshness = v.Version, query.Freshness(v)
	return out, nil
}

// page returns the changes behind a place.
func page(r *bankv1.ListScoresRequest, changes []creditscore.Change, at position.Page) *bankv1.ListScoresResponse {
	out := &bankv1.ListScoresResponse{}
	for _, c := range changes {
		day := creditscore.Day(c.Day).Format(time.DateOnly)
		if day <= at.Last {
			continue
		}
		if len(out.Changes) == int(cmp.Or(r.GetPageSize(), 100)) {
			at.Last = out.Changes[len(out.Changes)-1].Day
			out.NextPageToken = at.Encode([]byte(r.GetCustomerId()))
			return out
		}
		out.Changes = append(out.Changes, &bankv1.ScoreChange{Day: day, Score: int32(c.Score), Offset: c.Offset})
	}
	return out
}
