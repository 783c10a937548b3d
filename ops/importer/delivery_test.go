package importer

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/refold/refold/schemas/api/bankv1"
)

func TestRunResendsAfterBrokenStream(t *testing.T) {
	t.Parallel()
	for name, absent := range map[string]bool{"decided": false, "undecided": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank()
			fails := func(message int) bool { return message%5 == 2 && message < 20 }
			b.cut = func(message int) error {
				if fails(message) {
					return status.Error(codes.Unavailable, "the server stops")
				}
				return nil
			}
			b.absent = func(int, *bankv1.Command) bool { return absent && fails(b.messages) }
			c := config(t, b.serve(t), "birmingham", rows(2000, 11))
			c.Batch = 100
			s, err := Run(context.Background(), c)
			if err != nil || s.Accepted+s.Replayed != 2000 || s.Rejected != 0 || s.Sums["GBP"].Count != 2000 {
				t.Errorf("Run = %+v, %v, want 2000 rows in the bank", s, err)
			}
			if !absent && s.Replayed == 0 {
				t.Error("no row was sent again")
			}
			checkOnce(t, b, 2000)
		})
	}
}

// The server stops in the middle, answers nothing more, and another one takes its place.
func TestRunSurvivesRestart(t *testing.T) {
	t.Parallel()
	b := newBank()
	server, first := b.start(t)
	_, second := b.start(t)
	var at atomic.Pointer[bufconn.Listener]
	at.Store(first)
	b.cut = func(message int) error {
		if message != 4 {
			return nil
		}
		at.Store(second)
		go server.Stop()
		return status.Error(codes.Canceled, "the server stops")
	}
	c := config(t, dial(t, func(ctx context.Context, _ string) (net.Conn, error) { return at.Load().DialContext(ctx) }), "birmingham", rows(2000, 11))
	c.Batch = 100
	s, err := Run(context.Background(), c)
	if err != nil || s.Accepted+s.Replayed != 2000 || s.Replayed == 0 || s.Rejected != 0 {
		t.Errorf("Run = %+v, %v, want 2000 rows in the bank, some of them sent again", s, err)
	}
	checkOnce(t, b, 2000)
}

func TestRunRetriesUnavailable(t *testing.T) {
	t.Parallel()
	b := newBank()
	b.absent = func(n int, _ *bankv1.Command) bool { return n < 1500 && n%100 == 50 }
	b.cut = func(message int) error {
		if message == 3 {
			return status.Error(codes.Aborted, "the connection breaks")
		}
		return nil
	}
	c := config(t, b.serve(t), "birmingham", rows(2000, 2000))
	c.Batch, c.Patience = 100, time.Minute
	s, err := Run(context.Background(), c)
	if err != nil || s.Accepted+s.Replayed != 2000 || s.Rejected != 0 || s.Sums["GBP"].Count != 2000 {
		t.Errorf("Run = %+v, %v, want 2000 rows in the bank", s, err)
	}
	checkOnce(t, b, 2000)
}

// The bank is unavailable for the opening and available for what comes behind it: a row that was on its
// way then would be rejected for ever.
func TestRunHoldsRowsUntilAccountIsOpen(t *testing.T) {
	t.Parallel()
	b := newBank()
	refused := 0
	b.absent = func(_ int, c *bankv1.Command) bool {
		if c.GetOpenAccount() == nil || refused == 2 {
			return false
		}
		refused++
		return true
	}
	s, err := Run(context.Background(), config(t, b.serve(t), "birmingham", rows(50, 1)))
	if err != nil || s.Accepted != 50 || s.Rejected != 0 || refused != 2 {
		t.Errorf("Run = %+v, %v after %d refusals, want 50 rows accepted after 2", s, err, refused)
	}
	checkOnce(t, b, 50)
}

func TestRunGivesUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bank     func(*bank)
		patience time.Duration
		want     string
	}{
		"unavailable": {
			func(b *bank) { b.absent = func(int, *bankv1.Command) bool { return true } },
			2 * time.Second, "can be run again: the bank is unavailable: the partition moves",
		},
		"silent": {
			func(b *bank) {
				b.answer = func(*bankv1.SubmitRequest) *bankv1.SubmitResponse { return &bankv1.SubmitResponse{} }
			},
			2 * time.Second, "no answer for 2s, with 14 commands unanswered; the same import can be run again",
		},
		"broken": {
			func(b *bank) {
				b.cut = func(int) error { return status.Error(codes.Unavailable, "the server stops") }
			},
			2 * time.Second, "can be run again: rpc error: code = Unavailable desc = the server stops",
		},
		"not allowed": {
			func(b *bank) { b.cut = func(int) error { return status.Error(codes.PermissionDenied, "not you") } },
			time.Hour, "code = PermissionDenied desc = not you",
		},
		"unknown tag": {
			func(b *bank) {
				b.answer = func(*bankv1.SubmitRequest) *bankv1.SubmitResponse {
					return &bankv1.SubmitResponse{Results: []*bankv1.Result{rejected(999, "X", "")}}
				}
			},
			time.Hour, "tag 999, which waits for no answer",
		},
		"wrong kind": {
			func(b *bank) {
				b.answer = func(r *bankv1.SubmitRequest) *bankv1.SubmitResponse {
					return &bankv1.SubmitResponse{Results: []*bankv1.Result{{Tag: r.Commands[0].Tag, Outcome: &bankv1.Result_Posted{}}}}
				}
			},
			time.Hour, "the answer to line 2 is of the wrong kind: *bankv1.Result_Posted",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBank()
			c.bank(b)
			run := config(t, b.serve(t), "birmingham", rows(1000, 4))
			run.Patience, run.Batch, run.InFlight = c.patience, 10, 2
			s, err := Run(context.Background(), run)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "import birmingham.csv: ") {
				t.Errorf("Run = %v, want %q", err, c.want)
			}
			if s.Rows > 20 || s.Accepted != 0 {
				t.Errorf("read %d rows and accepted %d, want at most 2 batches of 10 and none", s.Rows, s.Accepted)
			}
		})
	}
}

func TestRunStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	b := newBank()
	b.cut = func(message int) error {
		if message == 4 {
			cancel()
		}
		return nil
	}
	c := config(t, b.serve(t), "birmingham", rows(100_000, 4))
	_, err := Run(ctx, c)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "the same import can be run again") {
		t.Errorf("Run = %v, want that it was stopped", err)
	}
}
