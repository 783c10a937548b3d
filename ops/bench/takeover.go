package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/broker"
	"github.com/refold/refold/streams/topic"
)

// takeover measures for how long a partition with many entries takes no command: where its owner stops and
// starts again, where another instance follows it already and the owner stops, and where the owner is killed.
// The broker goes on in this process, and the registry in one of its own.
func (b *bench) takeover(ctx context.Context) (err error) {
	if !b.wants(partTakeover) {
		return nil
	}
	br, err := broker.Open(ctx, broker.Config{Dir: filepath.Join(b.dir, "takeover"), Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, br.Close()) }()
	c := &instances{bench: b, kafka: br.Addr()}
	defer func() { err = errors.Join(err, c.end()) }()
	if c.registry, err = c.open(ctx, "registry"); err != nil {
		return err
	}
	first, err := c.open(ctx, "first")
	if err != nil {
		return err
	}
	if err := c.enter(ctx, first); err != nil {
		return err
	}
	return c.measure(ctx, first)
}

// instances are processes on one broker.
type instances struct {
	*bench
	kafka    string
	registry *child
	all      []*child
	n        int // commands sent
}

func (c *instances) open(ctx context.Context, name string) (*child, error) {
	s, err := c.child(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := c.start(ctx, s); err != nil {
		return nil, err
	}
	c.all = append(c.all, s)
	return s, nil
}

func (c *instances) start(ctx context.Context, s *child) error {
	args := []string{"serve", "--role", "registry", "--kafka", c.kafka}
	if c.registry != nil {
		args = []string{"serve", "--role", "transactions", "--kafka", c.kafka, "--registry-url", "http://" + c.registry.registry}
	}
	_, err := s.start(ctx, args...)
	return err
}

func (c *instances) end() error {
	var problems []error
	for _, s := range c.all {
		problems = append(problems, s.kill())
	}
	return errors.Join(problems...)
}

// lonely is a customer of the partition that is taken over, or of another.
func lonely(i int) string { return fmt.Sprintf("t%06d", i) }

// lonelyOf is the first one of a partition.
func lonelyOf(partition int32) string {
	i := 0
	for topic.Of(lonely(i), topic.DefaultPartitions) != partition {
		i++
	}
	return lonely(i)
}

// enter fills one partition.
func (c *instances) enter(ctx context.Context, s *child) error {
	var of []string
	for i := 0; len(of) < 1_000; i++ {
		if topic.Of(lonely(i), topic.DefaultPartitions) == 0 {
			of = append(of, lonely(i))
		}
	}
	conn, err := connect(s.grpc)
	if err != nil {
		return err
	}
	defer conn.conn.Close()
	if err := c.insist(ctx, s, of[0]); err != nil {
		return err
	}
	_, err = conn.submit(ctx, len(of), 0, func(i int) *bankv1.Command {
		return &bankv1.Command{Command: &bankv1.Command_OpenAccount{OpenAccount: opening(of[i], "open")}}
	})
	if err != nil {
		return err
	}
	_, err = conn.submit(ctx, c.entries, 0, func(i int) *bankv1.Command {
		m := conn.next()
		m.AccountId = of[i%len(of)] + ".card"
		return &bankv1.Command{Command: &bankv1.Command_PostEntry{PostEntry: m}}
	})
	return err
}

// insist opens an account at an instance until it is opened.
func (c *instances) insist(ctx context.Context, s *child, customer string) error {
	conn, err := connect(s.grpc)
	if err != nil {
		return err
	}
	defer conn.conn.Close()
	start := time.Now()
	c.n++
	m := opening(customer, fmt.Sprintf("try-%d", c.n))
	m.AccountId = fmt.Sprintf("%s.%d", customer, c.n)
	for {
		_, err := conn.bank.OpenAccount(ctx, m)
		switch {
		case err == nil:
			return nil
		case status.Code(err) != codes.Unavailable || time.Since(start) > 5*time.Minute:
			return fmt.Errorf("insist on a command: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// measure ends the owner in three ways.
func (c *instances) measure(ctx context.Context, owner *child) error {
	customer := lonelyOf(0)
	unit := fmt.Sprintf("s, %d entries", c.entries)
	if err := owner.stop(); err != nil {
		return err
	}
	began := time.Now()
	if err := c.start(ctx, owner); err != nil {
		return err
	}
	if err := c.insist(ctx, owner, customer); err != nil {
		return err
	}
	c.add(figure{Name: "takeover by the same instance", Value: time.Since(began).Seconds(), Unit: unit, Goal: "at most 2 s"})
	other, err := c.open(ctx, "other")
	if err == nil {
		err = other.settle(ctx)
	}
	if err != nil {
		return err
	}
	for _, end := range []struct {
		name string
		stop func(*child) error
		goal string
	}{
		{"takeover by another, after a stop", (*child).stop, "at most 5 s"},
		{"takeover by another, after kill -9", (*child).kill, "at most 5 s and the session's 10 s"},
	} {
		began := time.Now()
		if err := end.stop(owner); err != nil {
			return err
		}
		if err := c.insist(ctx, other, customer); err != nil {
			return err
		}
		c.add(figure{Name: end.name, Value: time.Since(began).Seconds(), Unit: unit, Goal: end.goal})
		owner, other = other, owner
		if err := errors.Join(c.start(ctx, other), other.settle(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until a process has nothing to do: until it follows all that there is.
func (c *child) settle(ctx context.Context) error {
	for before := time.Duration(-1); ; {
		now, err := c.processor()
		if err != nil {
			return err
		}
		if before >= 0 && now-before < 50*time.Millisecond {
			return nil
		}
		before = now
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
