package node

import (
	"context"
	"errors"
	"fmt"
)

// parts are what a node runs, each beginning after those before it and ending before them. What goes wrong
// is reported once: the first failure by failed or, where nobody took it from there, by stop; all else by
// stop.
type parts struct {
	running []part
	failed  chan error // holds a failure until it is taken
}

type part struct {
	name string
	stop func() error
}

func newParts() *parts { return &parts{failed: make(chan error, 1)} }

// start runs a part until it is stopped. A part that ends by itself is a failure of the node.
func (p *parts) start(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := run(ctx)
		if ctx.Err() == nil {
			err = p.fail(name, err)
		} else if errors.Is(err, context.Canceled) {
			err = nil
		}
		done <- err
	}()
	p.add(name, func() error {
		cancel()
		return <-done
	})
}

// add keeps what ends a part that runs by itself.
func (p *parts) add(name string, stop func() error) {
	p.running = append(p.running, part{name, stop})
}

// fail hands over why a part ended. It returns the reason where another one has not been taken yet.
func (p *parts) fail(name string, err error) error {
	if err == nil {
		err = errors.New("it ended")
	}
	select {
	case p.failed <- fmt.Errorf("%s: %w", name, err):
		return nil
	default:
		return err
	}
}

// stop ends every part, the last one first, and returns what went wrong and was not taken from failed.
func (p *parts) stop() error {
	var problems []error
	for len(p.running) > 0 {
		last := p.running[len(p.running)-1]
		p.running = p.running[:len(p.running)-1]
		if err := last.stop(); err != nil {
			problems = append(problems, fmt.Errorf("stop %s: %w", last.name, err))
		}
	}
	select { // by now no part runs that could fail
	case err := <-p.failed:
		problems = append([]error{err}, problems...)
	default:
	}
	return errors.Join(problems...)
}
