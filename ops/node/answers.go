package node

import (
	"context"

	"google.golang.org/grpc"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/creditscore"
	"github.com/refold/refold/services/gateway"
	"github.com/refold/refold/services/inbox"
	"github.com/refold/refold/services/profiles"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/services/reports"
	"github.com/refold/refold/services/rewards"
	"github.com/refold/refold/streams/note"
	"github.com/refold/refold/streams/topic"
)

// openAnswers serves what the read models answer.
func (n *Node) openAnswers(ctx context.Context, e *engine.Engine) error {
	reader := query.Reader{Engine: e, Partitions: n.cfg.Partitions}
	answers, err := reports.NewServer(reader)
	if err != nil {
		return err
	}
	scores, err := creditscore.NewServer(reader)
	if err != nil {
		return err
	}
	points, err := rewards.NewServer(reader)
	if err != nil {
		return err
	}
	n.gateway.Register(func(r grpc.ServiceRegistrar) {
		bankv1.RegisterReportsServiceServer(r, answers)
		bankv1.RegisterCreditScoreServiceServer(r, scores)
		bankv1.RegisterRewardsServiceServer(r, points)
	})
	if err := n.openInbox(ctx, reader); err != nil {
		return err
	}
	return n.openProfiles(ctx, reader)
}

// openProfiles serves what customers want, and notes it.
func (n *Node) openProfiles(ctx context.Context, reader query.Reader) error {
	notes, err := note.Open(ctx, n.cluster, n.codec, topic.Profiles, event.NamePreferencesSet)
	if err != nil {
		return err
	}
	n.parts.add("notes of preferences", func() error { notes.Close(); return nil })
	wanted, err := profiles.NewServer(profiles.Config{Reader: reader, Notes: notes, Principal: gateway.PrincipalFrom, Clock: n.cfg.Clock})
	if err != nil {
		return err
	}
	n.gateway.Register(func(r grpc.ServiceRegistrar) { bankv1.RegisterProfilesServiceServer(r, wanted) })
	return nil
}

// openInbox serves what customers were told, and notes what they have read.
func (n *Node) openInbox(ctx context.Context, reader query.Reader) error {
	notes, err := note.Open(ctx, n.cluster, n.codec, topic.Notifications, event.NameNotificationRead)
	if err != nil {
		return err
	}
	n.parts.add("notes of what was read", func() error { notes.Close(); return nil })
	told, err := inbox.NewServer(inbox.Config{Reader: reader, Notes: notes, Principal: gateway.PrincipalFrom, Clock: n.cfg.Clock})
	if err != nil {
		return err
	}
	n.gateway.Register(func(r grpc.ServiceRegistrar) { bankv1.RegisterInboxServiceServer(r, told) })
	return nil
}
