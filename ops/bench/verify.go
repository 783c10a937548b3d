package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime/debug"
	"time"

	"github.com/refold/refold/projections/store/pebble"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/transactions"
	"github.com/refold/refold/services/transactions/model"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/topic"
)

// asVerifier makes the program verify the generated journal of a broker, whose address it holds, and nothing
// else: in a process of its own, so that its memory can be told.
const asVerifier = "REFOLD_BENCH_VERIFY"

// verified is what a verifier says of itself.
type verified struct {
	Records int64   `json:"records"`
	Seconds float64 `json:"seconds"`
	Memory  float64 `json:"memory_mb"` // the most that it ever took
}

// verify measures doubting every record, and every outcome, beside reading them raw.
func (b *bench) verify(ctx context.Context, c cluster.Cluster, raw float64) error {
	if !b.wants(partVerify) {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, part := range []string{"journal", "model"} {
		cmd := exec.CommandContext(ctx, self, part)
		cmd.Env, cmd.Stderr = append(os.Environ(), asVerifier+"="+c.Seeds[0]), os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("verify %s: %w", part, err)
		}
		var v verified
		if err := json.Unmarshal(out, &v); err != nil {
			return fmt.Errorf("verify %s: %w", part, err)
		}
		rate := float64(v.Records) / v.Seconds
		b.add(figure{Name: "verify " + part, Value: rate, Unit: "records/s", Ratio: rate / raw, Of: "raw consume"})
		b.add(figure{Name: "memory of verify " + part, Value: v.Memory, Unit: "MB", Goal: "at most 400 MB"})
	}
	return nil
}

// verifier is the program as a verifier.
func verifier(ctx context.Context, address, part string) error {
	c, cd := cluster.Cluster{Seeds: []string{address}, ClientID: "bench"}, codec.New(new(codec.Local))
	if _, err := encoders(ctx, cd); err != nil {
		return err
	}
	debug.SetMemoryLimit(256 << 20) // as refold verify does
	start := time.Now()
	verify := verifyJournal
	if part == "model" {
		verify = verifyModel
	}
	records, err := verify(ctx, c, cd)
	if err != nil {
		return err
	}
	memory, err := memoryOf(os.Getpid(), "VmHWM")
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(verified{Records: records, Seconds: time.Since(start).Seconds(), Memory: memory})
}

func verifyJournal(ctx context.Context, c cluster.Cluster, cd *codec.Codec) (int64, error) {
	r, err := transactions.Verifier{Cluster: c, Codec: cd, Topic: topic.Transactions, Partitions: topic.DefaultPartitions}.Verify(ctx)
	if err == nil && r.Found > 0 {
		err = fmt.Errorf("the generated journal is not as the service writes it: %v", r.Problems[0])
	}
	return r.Records, err
}

func verifyModel(ctx context.Context, c cluster.Cluster, cd *codec.Codec) (records int64, err error) {
	dir, err := os.MkdirTemp("", "refold-bench-model-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	stores := pebble.New(dir, 32<<20, slog.New(slog.DiscardHandler))
	defer stores.Close()
	r, err := model.Verifier{Cluster: c, Codec: cd, Topic: topic.Transactions, Stores: stores}.Verify(ctx)
	if err == nil && r.Found > 0 {
		err = fmt.Errorf("the generated journal is not as the model says: %v", r.Problems[0])
	}
	return r.Records, err
}

// encoders returns the encoders of what the generated journal holds, always under the same schema ids.
func encoders(ctx context.Context, cd *codec.Codec) (out [2]*codec.Encoder, err error) {
	for n, name := range []string{event.NameAccountOpened, event.NameEntryPosted} {
		if out[n], err = cd.Encoder(ctx, topic.Transactions, name); err != nil {
			return out, err
		}
	}
	return out, nil
}
