package pebble

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/refold/refold/projections/store"
)

// damageFile, in the folder of a generation, says that it is damaged, and how.
const damageFile = "damaged"

// knownDamage fails where damage was found before. Opening checks little of what it opens, so that without
// it the process would end again and again.
func knownDamage(path string) error {
	what, err := os.ReadFile(filepath.Join(path, damageFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", store.ErrDamaged, what)
}

// damaging tells whether an error of opening is of what was found there: not of the machine (no right, no room,
// no file handle), nor of who has it open.
func (s *Stores) damaging(path string, err error) bool {
	var errno syscall.Errno
	if errors.As(err, &errno) && errno != syscall.ENOENT {
		return false
	}
	lock, err := pebble.LockDirectory(path, s.files)
	return err == nil && lock.Close() == nil
}

// damaged returns what is done where Pebble finds damage, which may be in any goroutine: write it down, and
// end the process, because what was answered from these rows cannot be told from what is right.
func (s *Stores) damaged(path string) func(pebble.DataCorruptionInfo) {
	return func(info pebble.DataCorruptionInfo) {
		err := os.WriteFile(filepath.Join(path, damageFile), []byte(info.Path), 0o644)
		logger{s.logger}.Fatalf("rows in %s are damaged, the next start makes them again: %s", path, errors.Join(info.Details, err))
	}
}

const (
	// enoughRoom is how many bytes are free where writing goes on after the disk was full.
	enoughRoom = 16 << 20
	// askAgain is how often the free space is asked for meanwhile, and sayAgain how often it is told.
	askAgain = 200 * time.Millisecond
	sayAgain = 10 * time.Second
)

// awaitRoom holds every write where the disk is full, until there is room. Pebble itself ends the process
// when it cannot write. A process that is told to stop meanwhile waits as well; to kill it loses nothing.
func (s *Stores) awaitRoom() {
	var said time.Time
	for {
		free, err := s.free()
		if err == nil && free >= enoughRoom {
			s.logger.Info("there is room for rows again", "dir", s.dir, "free", free)
			return
		}
		if time.Since(said) >= sayAgain {
			said = time.Now()
			s.logger.Error("the disk is full: no rows are saved until there is room", "dir", s.dir, "free", free, "wanted", enoughRoom, "error", err)
		}
		<-time.After(askAgain)
	}
}
