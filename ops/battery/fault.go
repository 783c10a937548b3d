package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// fault is one way to disturb a bank under load.
type fault struct {
	place
	// outage says that it takes the broker away, which no other fault can use then.
	outage bool
	// slow says that it takes more than a few seconds.
	slow   bool
	inject func(context.Context, *site) error
}

// site is a bank under load and the faults that are being injected into it.
type site struct {
	*workload
	broken sync.RWMutex // held for writing while the broker is away
}

// steps are the requests of an owner's way from the fence to the commit, in their order.
func steps() []kmsg.Key {
	return []kmsg.Key{kmsg.InitProducerID, kmsg.ListOffsets, kmsg.Fetch, kmsg.AddPartitionsToTxn, kmsg.Produce, kmsg.EndTxn}
}

// longStop is for how long a process is stopped: longer than its session in the group and its transactions
// last, which is 10 s both.
const longStop = 12 * time.Second

// stepFaults are all ways to disturb an owner at a step.
func stepFaults() []fault {
	var out []fault
	for _, key := range steps() {
		for _, at := range []moment{before, after} {
			out = append(out,
				atStep(key, at, "SIGKILL", kill),
				slowly(atStep(key, at, "SIGKILL for 12 s", away)),
				slowly(atStep(key, at, "SIGSTOP for 12 s", stop)),
				atStep(key, at, "connection cut", func(context.Context, *owner) (verdict, error) { return cut, nil }),
			)
		}
		out = append(out,
			slowly(atStep(key, before, "request dropped", func(context.Context, *owner) (verdict, error) { return forget, nil })),
			slowly(atStep(key, after, "reply dropped", func(context.Context, *owner) (verdict, error) { return forget, nil })))
		if key != kmsg.ListOffsets && key != kmsg.Fetch {
			out = append(out, slowly(atStep(key, before, "SIGKILL, 12 s late", late)))
		}
	}
	for _, at := range []moment{before, after} {
		out = append(out, atStep(kmsg.EndTxn, at, "told PRODUCER_FENCED", func(context.Context, *owner) (verdict, error) { return lie, nil }))
	}
	return out
}

func slowly(f fault) fault {
	f.slow = true
	return f
}

// atStep is a fault at a request of any owner. What act returns is what becomes of the request, or its reply.
func atStep(key kmsg.Key, at moment, what string, act func(context.Context, *owner) (verdict, error)) fault {
	return fault{place: place{what, at, key.Name()}, inject: func(ctx context.Context, s *site) error {
		type result struct {
			*owner
			err error
		}
		hit := make(chan result, 1)
		t := &trap{key: key, at: at, fenced: key == kmsg.ListOffsets, sprung: func(p *proxy) verdict {
			v, err := act(ctx, p.owner)
			hit <- result{p.owner, err}
			return v
		}}
		if key == kmsg.InitProducerID || key == kmsg.ListOffsets {
			provoking, stop := context.WithCancel(ctx)
			defer stop()
			go s.provoke(provoking, t)
		}
		if err := s.spring(ctx, t); err != nil {
			return err
		}
		r := <-hit
		defer r.release()
		if err := r.revive(); err != nil {
			return err
		}
		return r.err
	}}
}

// revive starts an owner that was killed.
func (o *owner) revive() error {
	select {
	case <-o.done():
		return o.start()
	default:
		return nil
	}
}

// spring sets a trap for every owner and waits until one is in it.
func (s *site) spring(ctx context.Context, t *trap) error {
	for _, o := range s.owners {
		o.proxy.set(t)
		defer o.proxy.unset(t)
	}
	deadline := time.Now().Add(patience)
	for !t.taken.Load() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no owner sent %s within %s", t.key.Name(), patience)
		}
		wait(ctx, 2*time.Millisecond)
	}
	return nil
}

// provoke has an owner fence again, by an answer to a commit, until the trap is taken: it may be that the owner
// was busy with another fault when it did.
func (s *site) provoke(ctx context.Context, until *trap) {
	for !until.taken.Load() && ctx.Err() == nil {
		t := &trap{key: kmsg.EndTxn, at: after, sprung: func(p *proxy) verdict {
			p.owner.release()
			return lie
		}}
		for _, o := range s.owners {
			o.proxy.set(t)
		}
		wait(ctx, 3*time.Second)
		for _, o := range s.owners {
			o.proxy.unset(t)
		}
	}
}

// kill kills the owner, which comes back at once.
func kill(_ context.Context, o *owner) (verdict, error) {
	o.end(syscall.SIGKILL)
	return cut, nil
}

// away kills the owner, which comes back when others have taken over.
func away(ctx context.Context, o *owner) (verdict, error) {
	o.end(syscall.SIGKILL)
	wait(ctx, longStop)
	return cut, nil
}

// stop stops the owner while others take over. It goes on with the very request, or reply.
func stop(ctx context.Context, o *owner) (verdict, error) {
	o.signal(syscall.SIGSTOP)
	wait(ctx, longStop)
	o.signal(syscall.SIGCONT)
	return pass, nil
}

// late kills the owner, starts it again, and then delivers what it had sent.
func late(ctx context.Context, o *owner) (verdict, error) {
	o.end(syscall.SIGKILL)
	err := o.start()
	wait(ctx, longStop)
	return pass, err
}

// bluntFaults are those that wait for no step of an owner.
func bluntFaults(down time.Duration) []fault {
	return []fault{
		{place: place{row: "broker SIGKILL while a transaction is open"}, outage: true, inject: brokerAt(before)},
		{place: place{row: "broker SIGKILL between commit and reply"}, outage: true, inject: brokerAt(after)},
		{place: place{row: "broker stopped cleanly and started"}, outage: true, inject: func(_ context.Context, s *site) error {
			return s.broker.restart(syscall.SIGTERM, func() {})
		}},
		{place: place{row: "broker SIGSTOP for 12 s"}, outage: true, slow: true, inject: func(ctx context.Context, s *site) error {
			s.broker.signal(syscall.SIGSTOP)
			wait(ctx, longStop)
			s.broker.signal(syscall.SIGCONT)
			return nil
		}},
		{place: place{row: fmt.Sprintf("broker down for %s", down)}, outage: true, slow: true, inject: func(ctx context.Context, s *site) error {
			return s.broker.restart(syscall.SIGKILL, func() { wait(ctx, down) })
		}},
		{place: place{row: "owner cut off from the broker for 12 s"}, slow: true, inject: withOwner(func(ctx context.Context, o *owner) error {
			o.proxy.part(true)
			wait(ctx, longStop)
			o.proxy.part(false)
			return nil
		})},
		{place: place{row: "owner stopped cleanly and started"}, inject: withOwner(func(_ context.Context, o *owner) error {
			return o.restart(syscall.SIGTERM, func() {})
		})},
		{place: place{row: "all owners SIGKILL at once"}, outage: true, inject: func(_ context.Context, s *site) error {
			for _, o := range s.owners {
				o.end(syscall.SIGKILL)
			}
			var problems []error
			for _, o := range s.owners {
				problems = append(problems, o.start())
			}
			return errors.Join(problems...)
		}},
	}
}

// withOwner picks an owner that no other fault is at.
func withOwner(do func(context.Context, *owner) error) func(context.Context, *site) error {
	return func(ctx context.Context, s *site) error {
		for ctx.Err() == nil {
			for _, o := range s.owners {
				if o.claim() {
					defer o.release()
					return do(ctx, o)
				}
			}
			wait(ctx, 10*time.Millisecond)
		}
		return ctx.Err()
	}
}

// brokerAt kills the broker at a commit.
func brokerAt(at moment) func(context.Context, *site) error {
	return func(ctx context.Context, s *site) error {
		t := &trap{key: kmsg.EndTxn, at: at}
		t.sprung = func(p *proxy) verdict {
			s.broker.end(syscall.SIGKILL)
			p.owner.release()
			return cut
		}
		if err := s.spring(ctx, t); err != nil {
			return err
		}
		<-s.broker.done()
		return s.broker.start()
	}
}
