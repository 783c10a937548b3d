package control

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/trail"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

// patience bounds the wait for an index that is being built, and the reading of a partition without one.
const patience = 30 * time.Second

// Why implements refoldv1.ControlServiceServer.
func (s *Server) Why(ctx context.Context, r *refoldv1.WhyRequest) (*refoldv1.WhyResponse, error) {
	at, err := s.partition(r.GetPartitionKey())
	if err != nil {
		return nil, err
	}
	q, err := whyQuery(r, at)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a, err := s.cfg.Engine.Why(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &refoldv1.WhyResponse{Row: a.Row, Freshness: &refoldv1.Freshness{
		Position:   positionAt(a.Generation, at, a.Next),
		Generation: a.Generation,
		Scanned:    a.Scanned,
	}}
	if !a.EventTime.IsZero() {
		out.Freshness.EventTime = timestamppb.New(a.EventTime)
	}
	for _, c := range a.Causes {
		out.Causes = append(out.Causes, cause(c))
	}
	if a.Earlier {
		out.NextPageToken = positionAt(a.Generation, at, a.Causes[len(a.Causes)-1].Position)
	}
	return out, nil
}

// partition returns where the events of a partition key are: a customer's by its hash, those of an account of
// the bank where its name says, such as @world.3.EUR.
func (s *Server) partition(key string) (position.Partition, error) {
	if customer, ok := trail.Of(key); ok {
		return position.Partition{Topic: topic.Transactions, Partition: topic.Of(customer, s.cfg.Partitions)}, nil
	}
	parts := strings.Split(key, ".")
	n, err := strconv.ParseInt(parts[min(1, len(parts)-1)], 10, 32)
	if err != nil || n < 0 || n >= int64(s.cfg.Partitions) {
		return position.Partition{}, malformed("partition_key", "an account of the bank names its partition, such as @world.3.EUR")
	}
	return position.Partition{Topic: topic.Transactions, Partition: int32(n)}, nil
}

func whyQuery(r *refoldv1.WhyRequest, at position.Partition) (engine.WhyQuery, error) {
	q := engine.WhyQuery{
		Query: engine.Query{Projection: r.GetProjection(), Partition: at.Partition, Key: r.GetPartitionKey()},
		Sort:  r.GetSortKey(), Limit: int(cmp.Or(r.GetPageSize(), 100)),
	}
	if b, err := hex.DecodeString(strings.TrimPrefix(q.Sort, "0x")); err == nil && strings.HasPrefix(q.Sort, "0x") {
		q.Sort = string(b)
	}
	var err error
	if q.Below, err = position.Wanted(r.GetPageToken(), at); err != nil {
		return q, fmt.Errorf("page_token: %w", err)
	}
	q.AsOf, err = moment(r, at)
	return q, err
}

// moment returns the moment that is asked for, nil for the present.
func moment(r *refoldv1.WhyRequest, at position.Partition) (*engine.Moment, error) {
	t, text := r.GetAsOfTime(), r.GetAsOfPosition()
	switch {
	case t != nil && text != "":
		return nil, malformed("as_of_time", "must not be given with as_of_position")
	case t != nil && !t.IsValid():
		return nil, malformed("as_of_time", "is no time")
	case t != nil:
		return &engine.Moment{Time: t.AsTime()}, nil
	case text == "":
		return nil, nil
	}
	offset, err := position.Wanted(text, at)
	if err != nil {
		return nil, fmt.Errorf("as_of_position: %w", err)
	}
	return &engine.Moment{Position: offset}, nil
}

func cause(c engine.Cause) *refoldv1.Cause {
	return &refoldv1.Cause{
		Topic: c.Topic, Partition: c.Partition, Offset: c.Offset, Event: c.Event, EventId: c.ID,
		RecordedAt: timestamppb.New(c.RecordedAt), OccurredAt: timestamppb.New(c.OccurredAt), Changed: c.Changed,
	}
}

func positionAt(generation int64, at position.Partition, offset int64) string {
	return position.Token{Generation: generation, Positions: position.Vector{at: offset}}.Encode()
}

// malformed is the error of a request whose field is wrong.
func malformed(field, description string) error {
	st, err := status.New(codes.InvalidArgument, field+": "+description).WithDetails(
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: description}}},
		&errdetails.ErrorInfo{Reason: "MALFORMED", Domain: "refold"})
	if err != nil {
		return err
	}
	return st.Err()
}
