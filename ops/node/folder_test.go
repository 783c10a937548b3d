package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/streams/broker"
	"github.com/refold/refold/streams/topic"
)

// damaged returns a data folder whose refold.json holds something else.
func damaged(t *testing.T, content string) (data, file string) {
	t.Helper()
	data = filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(data, "refold.json")
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return data, file
}

func TestDamagedIdentity(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"empty":       {"", "it is empty"},
		"spaces":      {"\n", "it is empty"},
		"torn":        {`{"version": 1, "inst`, "not JSON"},
		"no version":  {`{"instance": "x"}`, "no version"},
		"no instance": {`{"version": 1, "instance": ""}`, "no instance"},
	} {
		data, file := damaged(t, c.content)
		n, err := node.Open(t.Context(), local(data))
		if err == nil {
			t.Errorf("%s: a node was opened", name)
			_ = n.Close()
			continue
		}
		if got := err.Error(); !strings.Contains(got, file) || !strings.Contains(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: got %q, want one sentence with %q and %q", name, got, file, c.want)
		}
		if err := node.Reset(data); err != nil {
			t.Errorf("%s: reset: %v", name, err)
		}
		if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the folder is there: %v", name, err)
		}
	}
}

func TestResetNeedsADataFolder(t *testing.T) {
	precious := filepath.Join(t.TempDir(), "photos")
	if err := os.Mkdir(precious, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := node.Reset(precious); err == nil {
		t.Error("a folder that is not a data folder was removed")
	}
	entries, err := os.ReadDir(precious)
	if err != nil || len(entries) != 0 {
		t.Errorf("got %v, %v, want the folder as it was", entries, err)
	}
}

// reopen opens and closes a node, and returns what went wrong.
func reopen(t *testing.T, cfg node.Config) error {
	t.Helper()
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		return err
	}
	return n.Close()
}

func TestPartitionsAreFixedWhenTheFolderIsMade(t *testing.T) {
	cfg := local(t.TempDir())
	for _, c := range []struct {
		partitions int32
		want       error
	}{{-1, topic.ErrPartitions}, {257, topic.ErrPartitions}, {3, nil}, {0, nil}, {3, nil}, {4, topic.ErrPartitions}, {topic.DefaultPartitions, topic.ErrPartitions}} {
		cfg.Partitions = c.partitions
		err := reopen(t, cfg)
		if !errors.Is(err, c.want) || err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%d partitions: got %v, want %v in one sentence", c.partitions, err, c.want)
		}
	}
}

// A number that the topics of a broker elsewhere do not have is not written down: the folder can be used
// with the right one.
func TestPartitionsOfABrokerElsewhere(t *testing.T) {
	b, err := broker.Open(t.Context(), broker.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	first, second := local(t.TempDir()), local(t.TempDir())
	for _, c := range []struct {
		cfg        node.Config
		partitions int32
		want       error
	}{{first, 3, nil}, {second, 0, topic.ErrPartitions}, {second, 3, nil}, {second, 0, nil}, {first, 4, topic.ErrPartitions}} {
		c.cfg.Kafka, c.cfg.Roles, c.cfg.Partitions = b.Addr(), []node.Role{node.Registry}, c.partitions
		if err := reopen(t, c.cfg); !errors.Is(err, c.want) {
			t.Errorf("%d partitions: got %v, want %v", c.partitions, err, c.want)
		}
	}
}

func TestAddressesAreGoneAlready(t *testing.T) {
	cfg := local(t.TempDir())
	cfg.Partitions = 1
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(cfg.Data, "addresses.json")); err != nil {
		t.Error(err)
	}
	if err := n.Close(); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}
