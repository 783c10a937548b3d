package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/refold/refold/ops/node"
)

// clockFile, in a bank's folder, says by how much its owners' clocks are wrong.
const clockFile = "clock"

// serveOwner is an owner with a clock of its own: what `battery owner` does. But for the clock it is what
// `refold serve --role=transactions` is.
func serveOwner(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("owner", flag.ContinueOnError)
	cfg := node.Config{
		Roles: []node.Role{node.Transactions}, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	flags.StringVar(&cfg.Kafka, "kafka", "", "where the broker is")
	flags.StringVar(&cfg.RegistryURL, "registry-url", "", "where the registry is")
	flags.StringVar(&cfg.Listen.GRPC, "grpc", "", "where it listens")
	flags.StringVar(&cfg.Listen.HTTP, "http", "", "where REST listens")
	flags.StringVar(&cfg.Data, "data", "", "its folder, which lies in that of the bank")
	partitions := flags.Int("partitions", 0, "of the bank")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cfg.Partitions, cfg.Clock = int32(*partitions), clockOf(filepath.Dir(cfg.Data))
	n, err := node.Open(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Println("Data", cfg.Data)
	return errors.Join(n.Wait(ctx), n.Close())
}

// clockOf returns the clock of a bank's owners.
func clockOf(dir string) func() time.Time {
	return func() time.Time {
		text, err := os.ReadFile(filepath.Join(dir, clockFile))
		if err != nil {
			return time.Now()
		}
		by, err := time.ParseDuration(strings.TrimSpace(string(text)))
		if err != nil {
			return time.Now()
		}
		return time.Now().Add(by)
	}
}

func setClock(dir string, by time.Duration) error {
	path := filepath.Join(dir, clockFile)
	if err := os.WriteFile(path+".part", []byte(by.String()), 0o644); err != nil {
		return fmt.Errorf("set the clock: %w", err)
	}
	return os.Rename(path+".part", path)
}

// clockedBank is a bank of two owners whose clocks can be set.
func clockedBank(b *battery, name string) (*bank, error) {
	k, err := b.newBank(name, 2)
	for range 2 {
		if err == nil {
			err = k.addOwner(clockedOwner)
		}
	}
	return k, err
}

// jumpingClock sets the clocks ahead and back, by much and little. What is recorded goes on, and in order: the
// verification of the log would say so if not. A broker takes nothing that is more than an hour ahead of its own
// clock, so that with such a clock nothing is acknowledged until it is right again.
func jumpingClock(ctx context.Context, s *stage) error {
	for _, by := range []time.Duration{55 * time.Minute, -time.Hour, 55 * time.Minute, 55*time.Minute - time.Second, -24 * time.Hour, 5 * time.Hour, 0} {
		if err := setClock(s.dir, by); err != nil {
			return err
		}
		s.injected("clock of the owners jumps")
		if by > time.Hour {
			for p := range s.partitions {
				s.silent(ctx, p, 2*time.Second)
			}
			continue
		}
		if err := s.serving(ctx); err != nil {
			return err
		}
	}
	return nil
}
