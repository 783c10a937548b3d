package control_test

import (
	"strings"
	"testing"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/alerts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// generous is a later version of the alerts, which tells of every purchase.
func generous(t *testing.T) *projection.Definition {
	t.Helper()
	type posted struct {
		CustomerID string `avro:"customer_id"`
	}
	d, err := projection.Define(alerts.Name, alerts.Definition().Version+1, projection.Emit(topic.Transactions, event.NameEntryPosted,
		func(e *posted, k *projection.Keys) { k.Add(e.CustomerID, "") },
		func(k projection.Key, _ *alerts.Row, _ *posted, _ projection.Meta, out *projection.Effects) error {
			out.Add(topic.Notifications, &event.NotificationRequested{Effect: event.Effect{CustomerID: k.Partition}, Kind: event.NotifyOther})
			return nil
		}).To(topic.Notifications, event.NameNotificationRequested),
		projection.On(topic.Profiles, event.NamePreferencesSet, func(e *posted, k *projection.Keys) { k.Add(e.CustomerID, "") },
			func(projection.Key, *alerts.Row, *posted, projection.Meta) error { return nil }))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEffects(t *testing.T) {
	b := newBank(t)
	stores := memory.New()
	s, stop := b.run(stores, alerts.Definition())
	until(t, "the projection is made", func() bool { return b.list(s)[0].GetLive() > 0 })
	b.post()
	b.post()
	b.folded(s, alerts.Name)
	stop()
	s, stop = b.run(stores, alerts.Definition(), generous(t))
	defer stop()
	b.folded(s, alerts.Name)
	op, err := s.StartReplay(t.Context(), &refoldv1.StartReplayRequest{Projection: alerts.Name})
	if err != nil {
		t.Fatal(err)
	}
	b.reached(s, op.GetId(), refoldv1.GenerationState_GENERATION_STATE_VERIFIED)
	got, err := s.CompareEffects(t.Context(), &refoldv1.CompareEffectsRequest{Projection: alerts.Name, Before: 1, After: 2, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetSame() != 0 || got.GetLess() != 0 || got.GetMore() != 2 || got.GetChanged() != 0 || len(got.GetDifferences()) != 1 {
		t.Fatalf("got %v", got)
	}
	d := got.GetDifferences()[0]
	if d.GetBefore() != "" || !strings.Contains(d.GetAfter(), d.GetEffectId()) || d.GetTopic() != topic.Notifications || d.GetEvent() != event.NameNotificationRequested {
		t.Errorf("got %v", d)
	}
	release := &refoldv1.ReleaseEffectsRequest{Projection: alerts.Name, EffectIds: []string{d.GetEffectId()}, Reason: "they should know"}
	if _, err := s.ReleaseEffects(t.Context(), release); err == nil {
		t.Error("an effect was released that the live generation does not emit")
	} else if _, refused := acts.IsRefusal(err); !refused {
		t.Errorf("got %v, want a refusal", err)
	}
	if _, err := s.Promote(t.Context(), &refoldv1.PromoteRequest{Id: op.GetId(), Reason: "all are told", Force: true}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{1, 0} {
		released, err := s.ReleaseEffects(t.Context(), release)
		if err != nil || len(released.GetEffectIds()) != want {
			t.Errorf("got %v, %v, want %d effects", released, err, want)
		}
	}
}
