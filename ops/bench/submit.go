package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/refold/refold/schemas/api/bankv1"
)

const (
	// streams is how many Submits run at once, and message how many commands one message holds.
	streams = 2
	message = 500
)

// submit sends commands through some streams until there were n of them or the time is over, and returns the
// results a second. One that is not accepted ends it.
func (c *commander) submit(ctx context.Context, n int, limit time.Duration, command func(i int) *bankv1.Command) (float64, error) {
	var next, answered atomic.Int64
	ended := make(chan error, streams)
	start := time.Now()
	for range streams {
		go func() {
			ended <- c.stream(ctx, &answered, func() []*bankv1.Command {
				if limit > 0 && time.Since(start) > limit {
					return nil
				}
				end := int(next.Add(message))
				var out []*bankv1.Command
				for i := end - message; i < min(end, n); i++ {
					out = append(out, command(i))
				}
				return out
			})
		}()
	}
	var problems []error
	for range streams {
		problems = append(problems, <-ended)
	}
	return float64(answered.Load()) / time.Since(start).Seconds(), errors.Join(problems...)
}

// stream sends what next gives, until it gives nothing, and counts the results.
func (c *commander) stream(ctx context.Context, answered *atomic.Int64, next func() []*bankv1.Command) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := c.bank.Submit(ctx)
	if err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	go func() {
		for commands := next(); len(commands) > 0; commands = next() {
			if s.Send(&bankv1.SubmitRequest{Commands: commands}) != nil {
				return // Recv says why
			}
		}
		_ = s.CloseSend()
	}()
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("submit: %w", err)
		}
		for _, result := range r.GetResults() {
			if result.GetUnavailable() != "" || result.GetRejected() != nil {
				return fmt.Errorf("submit: a command was not accepted: %v", result)
			}
		}
		answered.Add(int64(len(r.GetResults())))
	}
}
