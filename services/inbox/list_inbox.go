package inbox

import (
	"cmp"
	"context"
	"encoding/binary"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/projections/alerts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/inbox"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/position"
)

// ListInbox implements bankv1.InboxServiceServer. All pages are read from the generation of the first, each no
// earlier than the one before. What is told between two pages is on none of them.
func (s *Server) ListInbox(ctx context.Context, r *bankv1.ListInboxRequest) (*bankv1.ListInboxResponse, error) {
	after, err := position.DecodePage(r.GetPageToken(), listOf(r))
	if err != nil {
		return nil, query.Wrong(query.ReasonBadToken, "page_token", "is not a token of this inbox: begin with the first page")
	}
	q := query.Question{Projection: inbox.Name, Customer: r.GetCustomerId(), MinPosition: r.GetMinPosition(), From: after, Past: r}
	v, err := s.view(ctx, q)
	if err != nil {
		return nil, s.cfg.Reader.Expired(ctx, q, err)
	}
	defer v.Close()
	out, told, err := s.page(v, r, after.Last)
	if err != nil {
		return nil, err
	}
	if !told {
		if known, err := s.cfg.Reader.Holds(ctx, alerts.Name, r.GetCustomerId()); err != nil || !known {
			return nil, cmp.Or(err, query.Refused(codes.NotFound, query.ReasonCustomerNotFound, "there is no customer "+r.GetCustomerId()))
		}
	}
	out.Freshness = query.Freshness(v)
	return out, nil
}

// listOf tells the list that is asked for from others: page tokens are of one customer, moment and choice.
func listOf(r *bankv1.ListInboxRequest) []byte {
	b := append([]byte(r.GetCustomerId()), 0)
	if r.GetUnread() {
		b = append(b, 'u')
	}
	if t := r.GetAsOfTime(); t != nil {
		b = binary.BigEndian.AppendUint64(b, uint64(t.GetSeconds()))
		b = binary.BigEndian.AppendUint32(b, uint32(t.GetNanos()))
	}
	return append(append(b, 0), r.GetAsOfPosition()...)
}

// page returns the notifications behind a place, and how many are unread on all pages; and whether the customer was
// ever told anything.
func (s *Server) page(v *engine.View, r *bankv1.ListInboxRequest, after string) (out *bankv1.ListInboxResponse, told bool, err error) {
	out = &bankv1.ListInboxResponse{}
	size, last := int(cmp.Or(r.GetPageSize(), 100)), ""
	err = s.scan(v, r.GetCustomerId(), func(sort string, row *inbox.Row) bool {
		told = true
		if row.ReadAt == 0 {
			out.Unread++
		}
		switch {
		case sort <= after || r.GetUnread() && row.ReadAt != 0:
		case len(out.Notifications) < size:
			out.Notifications = append(out.Notifications, notification(sort, row))
			last = sort
		case out.NextPageToken == "":
			out.NextPageToken = position.Page{Generation: v.Generation, Next: v.Next, Last: last}.Encode(listOf(r))
		}
		return true
	})
	return out, told, err
}

func notification(sort string, r *inbox.Row) *bankv1.Notification {
	out := &bankv1.Notification{
		Id: inbox.IDOf(sort), Kind: bankv1.NotificationKind(bankv1.NotificationKind_value["NOTIFICATION_KIND_"+r.Kind]),
		AccountId: r.AccountID, AmountMinor: r.AmountMinor, BalanceMinor: r.BalanceMinor, ThresholdMinor: r.ThresholdMinor,
		Currency: r.Currency, Category: r.Category, OccurredAt: timestamppb.New(r.OccurredAt.Time()),
	}
	if r.ReadAt != 0 {
		out.ReadAt = timestamppb.New(r.ReadAt.Time())
	}
	return out
}
