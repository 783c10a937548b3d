//go:build !linux

package broker

import (
	"os"

	"github.com/twmb/franz-go/pkg/kfake"
)

// syncOptions has kfake synchronise each file as it writes: there is no one call for all of them.
func syncOptions() []kfake.Opt { return []kfake.Opt{kfake.SyncWrites()} }

func syncAll(*os.File) error { return nil }

func syncData(f *os.File) error { return f.Sync() }
