package creditscore

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/creditscore"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
)

// maxReasons is how many reasons are told.
const maxReasons = 4

// GetScore implements bankv1.CreditScoreServiceServer.
func (s *Server) GetScore(ctx context.Context, r *bankv1.GetScoreRequest) (*bankv1.GetScoreResponse, error) {
	v, err := s.reader.View(ctx, query.Question{Projection: creditscore.Name, Customer: r.GetCustomerId(), MinPosition: r.GetMinPosition()})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	row, err := s.row(v, r.GetCustomerId())
	if err != nil {
		return nil, err
	}
	at, err := asOf(r.GetAsOf(), row)
	if err != nil {
		return nil, err
	}
	m, err := s.model(v)
	if err != nil {
		return nil, err
	}
	out := answer(m.Judge(row, at))
	out.CustomerId, out.ModelVersion, out.Freshness = r.GetCustomerId(), m.Version, query.Freshness(v)
	out.ChangedByEventId = row.ChangedBy
	return out, nil
}

// asOf returns the time that is asked for, which is not before the last day of the row.
func asOf(asked *timestamppb.Timestamp, row *creditscore.Row) (time.Time, error) {
	last := creditscore.Day(row.Day)
	switch {
	case asked == nil:
		return last, nil
	case !asked.IsValid():
		return last, query.Wrong(query.ReasonMalformed, "as_of", "is no time")
	case asked.AsTime().Before(last):
		return last, query.Wrong(query.ReasonMalformed, "as_of", fmt.Sprintf("must not be before %s, the day of the customer's last event", last.Format(time.DateOnly)))
	}
	return asked.AsTime(), nil
}

func answer(j creditscore.Judgement) *bankv1.GetScoreResponse {
	out := &bankv1.GetScoreResponse{Score: int32(j.Score), Day: j.Day.Format(time.DateOnly)}
	for _, c := range j.Factors {
		out.Factors = append(out.Factors, &bankv1.ScoreFactor{
			Name: c.Factor.Measure.String(), About: c.Factor.About,
			Known: c.Measured.Known, Value: c.Measured.Value,
			Points: int32(c.Points), MaxPoints: int32(c.Factor.Best()), Words: c.Words,
		})
	}
	for _, c := range j.Reasons(maxReasons) {
		out.Reasons = append(out.Reasons, c.Words)
	}
	return out
}
