//go:build synctests

package transactions

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/refold/refold/projections/engine"
	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/services/transactions/history"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/topic"
)

// ends returns where the partitions end.
func (w *simulation) ends() cluster.Offsets {
	ctx, cancel := context.WithTimeout(context.Background(), healing)
	defer cancel()
	client, err := w.cluster.Client()
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	ends, err := cluster.Ends(ctx, client, topic.Transactions)
	if err != nil {
		w.t.Fatal(err)
	}
	return ends
}

// rebuilt returns the rows of the ledger, made afresh of the log up to its ends.
func (w *simulation) rebuilt(ends cluster.Offsets) *memory.Store {
	rows := memory.NewStore()
	f, err := engine.NewFollower(engine.FollowerConfig{
		Cluster: w.cluster, Codec: w.codec, Definition: ledger.Definition(), Store: rows, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithTimeout(context.Background(), healing)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.Run(ctx) // what it could not do Wait tells
	}()
	for n, end := range ends {
		if err := f.Assign([]int32{n}); err != nil {
			w.t.Fatal(err)
		}
		if err := f.Wait(ctx, n, end); err != nil {
			w.t.Errorf("I-REBUILD: partition %d: %v", n, err)
		}
	}
	cancel()
	<-done
	return rows
}

// compare holds the rows of a process against those that were made afresh.
func (w *simulation) compare(name string, want, got *memory.Store) {
	for n := range w.partitions {
		a, b := rowsOf(want, n), rowsOf(got, n)
		for key, value := range a {
			if !bytes.Equal(value, b[key]) {
				w.t.Errorf("I-REBUILD: %s, partition %d, row %q: got %x, want %x", name, n, key, b[key], value)
			}
		}
		if len(a) != len(b) {
			w.t.Errorf("I-REBUILD: %s, partition %d: got %d rows, want %d", name, n, len(b), len(a))
		}
	}
}

func rowsOf(s store.Reader, task int32) map[string][]byte {
	out := make(map[string][]byte)
	_ = s.Scan(task, nil, nil, func(key, value []byte) bool { // in memory it cannot fail
		out[string(key)] = bytes.Clone(value)
		return true
	})
	return out
}

// events returns the history so far.
func (w *simulation) events() []history.Event {
	w.t.Helper()
	var out []history.Event
	err := history.Read(bytes.NewReader(w.lines.Bytes()), func(e *history.Event) { out = append(out, *e) })
	if err := errors.Join(err, w.history.Err()); err != nil {
		w.t.Fatal(err)
	}
	return out
}

// requestFrom returns the request that a call of a history made.
func requestFrom(t testing.TB, e history.Event) proto.Message {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName("bank.v1." + e.Command))
	if err != nil {
		t.Fatal(err)
	}
	r := kind.New().Interface()
	if err := protojson.Unmarshal(e.Body, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// keep keeps what a run that failed leaves, and says how to run its seed again.
func (w *simulation) keep() {
	if !w.t.Failed() {
		return
	}
	dir := *simulationKeep
	if dir == "" {
		dir = os.TempDir()
	}
	folder, err := os.MkdirTemp(dir, "simulation-")
	if err != nil {
		w.t.Error(err)
		return
	}
	for name, content := range map[string][]byte{"history.jsonl": w.lines.Bytes(), "log.txt": w.log.Bytes()} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			w.t.Error(err)
		}
	}
	w.t.Logf("history and log are in %s; again: go test -tags synctests ./services/transactions -run 'TestSimulation$' -simulation.seed=%d",
		folder, w.seed)
}
