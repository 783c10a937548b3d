package broker

import (
	"time"

	"golang.org/x/sys/unix"
)

// steadyTime returns a clock that goes on from now on as time passes, suspension included, whatever becomes of the
// machine's clock.
func steadyTime() func() time.Time {
	elapsed := func() time.Duration {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
			return 0 // no Linux of this century is without it
		}
		return time.Duration(t.Nano())
	}
	begun, wall := elapsed(), time.Now()
	return func() time.Time { return wall.Add(elapsed() - begun) }
}
