package creditscore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/refold/refold/projections/creditscore"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/position"
)

// ListScores implements bankv1.CreditScoreServiceServer. All pages are read from the generation of the
// first, each no earlier than the one before.
func (s *Server) ListScores(ctx context.Context, r *bankv1.ListScoresRequest) (*bankv1.ListScoresResponse, error) {
	after, err := position.DecodePage(r.GetPageToken(), []byte(r.GetCustomerId()))
	if err != nil {
		return nil, refused(codes.InvalidArgument, ReasonBadToken, "page_token: is not a token of this history: begin with the first page", field("page_token", "is not a token of this history"))
	}
	q := question{customer: r.GetCustomerId(), minPosition: r.GetMinPosition(), from: after}
	v, err := s.view(ctx, q)
	if err != nil {
		return nil, s.expired(ctx, q, err)
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
	out.ModelVersion, out.Freshness = v.Version, freshness(v)
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

// expired returns the error of a page that could not be read: the generation of the first page may be gone
// for ever, where there is a live one.
func (s *Server) expired(ctx context.Context, q question, err error) error {
	if q.from.Generation == 0 || !errors.Is(err, engine.ErrNotHere) {
		return err
	}
	live, problem := s.view(ctx, question{customer: q.customer})
	if problem != nil {
		return err
	}
	text := fmt.Sprintf("the rows of the first page are gone, generation %d is live: begin with the first page", live.Generation)
	return errors.Join(refused(codes.Aborted, ReasonPageExpired, text), live.Close())
}
