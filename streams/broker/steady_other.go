//go:build !linux

package broker

import "time"

// steadyTime returns the machine's clock: there is no other that goes on while the machine is suspended.
func steadyTime() func() time.Time { return time.Now }
