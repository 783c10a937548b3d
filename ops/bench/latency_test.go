package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A sender that is held up makes up for it: the calls that are late come at once, the others at their time.
func TestPaceKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := pace(t.Context(), 100, 2*time.Millisecond, func(i int, at time.Time) {
			if got, want := at.Sub(start), time.Duration(i)*2*time.Millisecond; got != want {
				t.Errorf("call %d is said to be due after %v, want %v", i, got, want)
			}
			if late := time.Since(at); (i <= 10 || i > 30) && late != 0 {
				t.Errorf("call %d is late by %v", i, late)
			}
			if i == 10 {
				<-time.After(40 * time.Millisecond)
			}
		})
		if got, want := time.Since(start), 198*time.Millisecond; err != nil || got != want {
			t.Errorf("got %v, %v, want all calls in %v", got, err, want)
		}
	})
}

func TestPaceEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := pace(ctx, 3, time.Hour, func(int, time.Time) { calls++; cancel() })
	if !errors.Is(err, context.Canceled) || calls != 1 {
		t.Errorf("got %d calls, %v, want 1 and that the context ended", calls, err)
	}
}
