package inbox

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/inbox"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

// ReasonNotificationNotFound says that the customer was not told this up to the position of the answer.
const ReasonNotificationNotFound = "NOTIFICATION_NOT_FOUND"

// MarkRead implements bankv1.InboxServiceServer. What is read already is not noted again.
func (s *Server) MarkRead(ctx context.Context, r *bankv1.MarkReadRequest) (*bankv1.MarkReadResponse, error) {
	v, err := s.view(ctx, query.Question{Customer: r.GetCustomerId(), MinPosition: r.GetMinPosition()})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	n, err := s.find(v, r)
	if err != nil {
		return nil, err
	}
	at := position.Partition{Topic: topic.Notifications, Partition: v.Partition}
	next := v.Next
	if n.ReadAt == nil {
		note := &event.NotificationRead{
			EventID: event.ID(r.GetCustomerId(), "read "+n.GetId()), RecordedAt: event.MicrosOf(s.cfg.Clock()),
			CustomerID: r.GetCustomerId(), Principal: s.cfg.Principal(ctx),
			NotificationID: n.GetId(), NotifiedAt: event.MicrosOf(n.GetOccurredAt().AsTime()),
		}
		if next, err = s.cfg.Notes.Append(ctx, v.Partition, r.GetCustomerId(), note); err != nil {
			return nil, err
		}
		n.ReadAt = timestamppb.New(note.RecordedAt.Time())
	}
	return &bankv1.MarkReadResponse{Notification: n, Position: position.Token{Positions: position.Vector{at: next}}.Encode()}, nil
}

// find looks for a notification among what the customer was told.
func (s *Server) find(v *engine.View, r *bankv1.MarkReadRequest) (found *bankv1.Notification, err error) {
	err = s.scan(v, r.GetCustomerId(), func(sort string, row *inbox.Row) bool {
		if inbox.IDOf(sort) == r.GetNotificationId() {
			found = notification(sort, row)
		}
		return found == nil
	})
	if err == nil && found == nil {
		err = query.Refused(codes.NotFound, ReasonNotificationNotFound, "customer "+r.GetCustomerId()+" was not told "+r.GetNotificationId())
	}
	return found, err
}
