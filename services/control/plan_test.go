package control_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/api/refoldv1"
)

func TestPlanIsStartedAndSteered(t *testing.T) {
	b := newBank(t)
	s, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	for range 10 {
		b.post()
	}
	b.folded(s, spending.Name)
	plan, err := s.PlanReplay(t.Context(), &refoldv1.PlanReplayRequest{Projection: spending.Name, From: "-24h"})
	if err != nil {
		t.Fatal(err)
	}
	if plan.GetEvents().GetValue() != 20 || plan.GetEvents().GetKnown() != refoldv1.Knowledge_KNOWLEDGE_COUNTED || plan.GetRows().GetValue() != 10 ||
		plan.GetLive() != 1 || len(plan.GetStretches()) != partitions || plan.GetStretches()[1].GetSource() != "kafka" || plan.GetSilenced().GetKnown() != refoldv1.Knowledge_KNOWLEDGE_COUNTED {
		t.Errorf("got %v", plan)
	}
	_, err = s.StartReplay(t.Context(), &refoldv1.StartReplayRequest{Projection: spending.Name, Plan: "another"})
	if _, refused := acts.IsRefusal(err); !refused {
		t.Errorf("another plan: got %v, want a refusal", err)
	}
	op, err := s.StartReplay(t.Context(), &refoldv1.StartReplayRequest{Projection: spending.Name, From: "-24h", Plan: plan.GetHash(), MaxRate: 1})
	if err != nil || op.GetPlan() != plan.GetHash() || op.GetMaxRate() != 1 {
		t.Fatalf("got %v, %v", op, err)
	}
	if op, err = s.Pause(t.Context(), &refoldv1.PauseRequest{Id: op.GetId(), Reason: "traffic"}); err != nil || op.GetGeneration().GetState() != refoldv1.GenerationState_GENERATION_STATE_PAUSED {
		t.Fatalf("got %v, %v", op, err)
	}
	if op, err = s.Cap(t.Context(), &refoldv1.CapRequest{Id: op.GetId()}); err != nil || op.GetMaxRate() != 0 {
		t.Fatalf("got %v, %v", op, err)
	}
	if _, err = s.Resume(t.Context(), &refoldv1.ResumeRequest{Id: op.GetId()}); err != nil {
		t.Fatal(err)
	}
	b.reached(s, op.GetId(), refoldv1.GenerationState_GENERATION_STATE_VERIFIED)
	if _, err = s.Retry(t.Context(), &refoldv1.RetryRequest{Id: op.GetId()}); err != nil {
		t.Fatal(err)
	}
	b.reached(s, op.GetId(), refoldv1.GenerationState_GENERATION_STATE_VERIFIED)
}

// Replays are listed as long as they run before those that ended, and the first generations are none.
func TestListOperations(t *testing.T) {
	b := newBank(t)
	s, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	b.post()
	b.folded(s, spending.Name)
	for range 2 {
		if _, err := s.StartReplay(t.Context(), &refoldv1.StartReplayRequest{Projection: spending.Name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Cancel(t.Context(), &refoldv1.CancelRequest{Id: "spending-2"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", spending.Name} {
		got, err := s.ListOperations(t.Context(), &refoldv1.ListOperationsRequest{Projection: name})
		if err != nil {
			t.Fatal(err)
		}
		ids := []string{}
		for _, op := range got.GetOperations() {
			ids = append(ids, op.GetId())
		}
		if want := []string{"spending-3", "spending-2"}; !slices.Equal(ids, want) {
			t.Errorf("got %v, want %v", ids, want)
		}
	}
	if _, err := s.ListOperations(t.Context(), &refoldv1.ListOperationsRequest{Projection: "nothing"}); !errors.Is(err, engine.ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
}
