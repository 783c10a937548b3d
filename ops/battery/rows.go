package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// damage is something that can happen to a file of rows.
type damage struct {
	name string
	// files is a part of the names of the files that it happens to.
	files  string
	happen func(path string) error
}

func damages() []damage {
	return []damage{
		{"log of rows cut off", ".log", halve},
		{"log of rows with flipped bits", ".log", flip},
		{"tables of rows cut off", ".sst", halve},
		{"tables of rows with flipped bits", ".sst", flip},
		{"tables of rows gone", ".sst", os.Remove},
		{"manifest of rows with flipped bits", "MANIFEST", flip},
		{"rows gone", "", os.Remove},
	}
}

func halve(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()/2)
}

// flip changes a byte in every 512.
func flip(path string) error {
	b, err := os.ReadFile(path)
	for i := 100; i < len(b); i += 512 {
		b[i] ^= 0x55
	}
	return errors.Join(err, os.WriteFile(path, b, 0o644))
}

// KW-15: the rows that an owner decides against are damaged while it is away. It notices, makes them again
// from the log, and decides as before.
func damagedRows(ctx context.Context, s *stage) error {
	o := s.owners[0]
	for _, d := range damages() {
		wait(ctx, 2*time.Second)
		// What is in tables was in the log before the start before.
		if err := o.restart(syscall.SIGTERM, func() {}); err != nil {
			return err
		}
		wait(ctx, time.Second)
		o.end(syscall.SIGKILL)
		n, err := inflict(filepath.Join(s.dir, o.name, "rows"), d)
		if err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		if n == 0 {
			return fmt.Errorf("%s: there are none", d.name)
		}
		s.injected(d.name + " (KW-15)")
		if err := s.heal(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return nil
}

// heal starts an owner with damaged rows until it serves. It may end once where it finds the damage late:
// what it began to serve with is wrong.
func (s *stage) heal(ctx context.Context, o *owner) error {
	err := o.start()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for tries := 0; tries < 2; tries++ {
		if err == nil {
			served := make(chan error, 1)
			go func() { served <- s.serving(ctx) }()
			select {
			case err = <-served:
				return err
			case <-o.done():
			}
		}
		o.forgive()
		err = o.start()
	}
	return errors.Join(errors.New("it ends again and again"), err)
}

// inflict returns how many files it has damaged.
func inflict(rows string, d damage) (n int, err error) {
	err = filepath.WalkDir(rows, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.Contains(e.Name(), d.files) {
			return err
		}
		n++
		return d.happen(path)
	})
	return n, err
}
