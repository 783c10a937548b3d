//go:build !linux && !darwin

package broker

import (
	"math"
	"os"
	"path/filepath"
)

// freeBytes is not measured on this system: the disk counts as never full.
func freeBytes(string) (uint64, error) { return math.MaxUint64, nil }

// lockFolder keeps nobody out on this system.
func lockFolder(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
}

// syncDir does nothing: folders cannot be synchronised on this system.
func syncDir(string) error { return nil }
