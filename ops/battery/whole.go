package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// wholeBank is `refold up`: the broker, the registry and the owner in one process.
func wholeBank(b *battery, name string) (*bank, error) {
	k, err := b.emptyBank(name, 2)
	addresses := make([]string, 3)
	for i := range addresses {
		var problem error
		addresses[i], problem = freeAddress()
		err = errors.Join(err, problem)
	}
	if err != nil {
		return nil, fmt.Errorf("make bank %s: %w", name, err)
	}
	k.kafka, k.registry = addresses[0], addresses[1]
	o := &owner{process: k.refold("up", "up", "--kafka", k.kafka, "--registry", k.registry, "--grpc", addresses[2], "--http", "127.0.0.1:0", "--operators", "")}
	if o.conn, err = dial(addresses[2]); err != nil {
		return nil, err
	}
	k.owners = []*owner{o}
	return k, o.start()
}

// killedUp kills `refold up` again and again under load, at any time, and stops it for longer than its own
// time-outs.
func killedUp(ctx context.Context, s *stage) error {
	up := s.owners[0]
	for n := range 8 {
		wait(ctx, time.Duration(300+n*170)*time.Millisecond)
		if err := up.restart(syscall.SIGKILL, func() {}); err != nil {
			return err
		}
		s.injected("refold up SIGKILL")
		if err := s.serving(ctx); err != nil {
			return err
		}
	}
	up.signal(syscall.SIGSTOP)
	wait(ctx, longStop)
	up.signal(syscall.SIGCONT)
	s.injected("refold up SIGSTOP for 12 s")
	return s.serving(ctx)
}
