package node_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/streams/position"
)

// A node with a broker of its own comes back while another node, which stayed, has a part of the tasks.
func TestNodeStartsBesideAnother(t *testing.T) {
	cfg := local(t.TempDir())
	cfg.Partitions = 3
	first, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen.Kafka, cfg.Listen.Registry = first.Addresses().Kafka, first.Addresses().Registry
	other := open(t, node.Config{
		Kafka: cfg.Listen.Kafka, RegistryURL: "http://" + cfg.Listen.Registry, Roles: []node.Role{node.Projections},
	})
	elsewhere := refoldv1.NewControlServiceClient(dial(t, other))
	eventually(t, func(ctx context.Context) error {
		listed, err := elsewhere.ListProjections(ctx, &refoldv1.ListProjectionsRequest{})
		if err != nil {
			return err
		}
		for _, p := range listed.GetProjections() {
			if len(p.GetGenerations()) == 0 {
				return fmt.Errorf("the other node: %s has no generation yet", p.GetName())
			}
			at, err := position.Decode(p.GetGenerations()[0].GetPosition())
			if err == nil && len(at.Positions) == 0 {
				err = errors.New("it has no task")
			}
			if err != nil {
				return fmt.Errorf("the other node: %s: %w", p.GetName(), err)
			}
		}
		return nil
	})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
