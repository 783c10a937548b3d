package broker

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/twmb/franz-go/pkg/kfake"
)

// syncOptions has kfake leave it to the broker to synchronise.
func syncOptions() []kfake.Opt { return nil }

// syncAll makes durable all that was written to the folder's file system, names of files included, in one call: for
// twelve files of two kinds 0.7 ms, where one fsync after the other takes 3.6 ms. It fails as well where anything of
// that file system could not be written since the call before.
func syncAll(dir *os.File) error { return unix.Syncfs(int(dir.Fd())) }

// syncData makes durable what was written to a file in place: 0.1 ms.
func syncData(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
