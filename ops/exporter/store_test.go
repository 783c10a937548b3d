package exporter

import (
	"context"
	"errors"
	"testing"
)

// faulty is a store whose calls fail from one on, before they are done or after.
type faulty struct {
	Store
	calls, from int
	done        bool
}

var errFault = errors.New("a fault")

func (f *faulty) call(do func() error) error {
	if f.calls++; f.calls < f.from {
		return do()
	}
	if f.done {
		return errors.Join(do(), errFault)
	}
	return errFault
}

func (f *faulty) Put(ctx context.Context, file, name string) error {
	return f.call(func() error { return f.Store.Put(ctx, file, name) })
}

func (f *faulty) Create(ctx context.Context, name string, content []byte) error {
	return f.call(func() error { return f.Store.Create(ctx, name, content) })
}

func (f *faulty) Read(ctx context.Context, name string) (content []byte, err error) {
	err = f.call(func() error { content, err = f.Store.Read(ctx, name); return err })
	return content, err
}

// A run that ends at any step, before or after what it did, neither repeats nor misses a row, also where more has come
// until the next one.
func TestRunMayEndAtEveryStep(t *testing.T) {
	for name, done := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			const steps = 5 // two manifests are looked for, two files are put, a manifest is made
			for from := 1; from <= steps+1; from++ {
				everywhere(t, func(b *bank) {
					b.post(0)
					b.export()
					b.post(0)
					b.post(1)
					b.cfg.To = &faulty{Store: b.store, from: from, done: done}
					if _, err := Run(b.t.Context(), b.cfg); (err != nil) != (from <= steps) {
						b.t.Errorf("a fault at step %d of %d: got %v", from, steps, err)
					}
					b.cfg.To = b.store
					b.tidy()
					b.post(1)
					b.export()
					b.whole()
					b.tidy()
				})
			}
		})
	}
}
