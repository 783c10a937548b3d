package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// guardedBank is a bank whose broker is told by a file how much room there is.
func guardedBank(b *battery, name string) (*bank, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make bank %s: %w", name, err)
	}
	if err := setRoom(dir, 1<<40); err != nil {
		return nil, err
	}
	return plainBank(b, name)
}

func setRoom(dir string, bytes uint64) error {
	path := filepath.Join(dir, roomFile)
	if err := os.WriteFile(path+".part", fmt.Append(nil, bytes), 0o644); err != nil {
		return fmt.Errorf("say how much room there is: %w", err)
	}
	return os.Rename(path+".part", path)
}

// KW-24: the broker's disk is nearly full. Nothing is acknowledged, clients are told why, and it goes on when
// there is room.
func nearlyFull(ctx context.Context, s *stage) error {
	for range 3 {
		if err := setRoom(s.dir, 1<<20); err != nil {
			return err
		}
		s.injected("disk nearly full (KW-24)")
		for p := range s.partitions {
			s.silent(ctx, p, 2*time.Second)
			why := putOff{int32(p), "DISK_NEARLY_FULL"}
			s.must(s.told(ctx, time.Now(), why) || ctx.Err() != nil, "partition %d does not say %s", p, why.reason)
		}
		if err := s.putOffOverREST(ctx, "DISK_NEARLY_FULL"); err != nil && ctx.Err() == nil {
			s.must(false, "over REST: %s", err)
		}
		if err := setRoom(s.dir, 1<<40); err != nil {
			return err
		}
		if err := s.serving(ctx); err != nil {
			return err
		}
	}
	return nil
}

// putOffOverREST asks for an entry over REST, and fails unless it is put off for a reason, with a time to retry.
func (s *stage) putOffOverREST(ctx context.Context, reason string) error {
	body := fmt.Sprintf(`{"account_id":%q,"kind":"ENTRY_KIND_DEPOSIT","amount_minor":"1","currency":"EUR"}`, s.closed[0])
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.owners[0].http+"/v1/entries", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Idempotency-Key", fmt.Sprint("rest-", time.Now().UnixNano()))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !strings.Contains(string(answer), reason) {
		return fmt.Errorf("got %s, Retry-After %q: %s", resp.Status, resp.Header.Get("Retry-After"), answer)
	}
	return nil
}

// smallDisk mounts a file system of so many MB at a folder, which needs root.
func smallDisk(dir string, megabytes int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make a small disk: %w", err)
	}
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", megabytes), "tmpfs", dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: a full disk: no small one can be mounted: %s", errSkipped, out)
	}
	return nil
}

// freeDisk unmounts a small disk, of which nothing is needed any more.
func freeDisk(dir string) { _ = exec.Command("umount", "-l", dir).Run() }

// fill takes all room there is at a folder, and returns how to give it back.
func fill(dir string) (func(), error) {
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("fill a disk: %w", err)
	}
	block := make([]byte, 1<<12)
	for err == nil {
		_, err = f.Write(block)
	}
	_ = f.Close()
	return func() { _ = os.Remove(path) }, nil
}

// smallBank is a bank whose broker is on a small disk, and takes records as long as there is any room.
func smallBank(b *battery, name string) (*bank, error) {
	dir := filepath.Join(b.dir, name, "kafka")
	if err := smallDisk(dir, 64); err != nil {
		return nil, err
	}
	k, err := b.newBank(name, 2, "--min-free", "1")
	k.cleanup = func() { freeDisk(dir) }
	if err == nil {
		err = k.addOwner(plainOwner)
	}
	return k, err
}

// KW-24: nothing more can be written to the broker's disk. The broker ends rather than to answer what is not
// so, and with room it has everything that was acknowledged.
func fullBroker(ctx context.Context, s *stage) error {
	for range 2 {
		empty, err := fill(filepath.Join(s.dir, "kafka"))
		if err != nil {
			return err
		}
		s.injected("disk full under the broker")
		for p := range s.partitions {
			s.silent(ctx, p, 2*time.Second)
		}
		s.broker.end(syscall.SIGKILL)
		s.broker.forgive()
		empty()
		if err := s.broker.start(); err != nil {
			return err
		}
		if err := s.serving(ctx); err != nil {
			return err
		}
	}
	return nil
}

// smallRows is a bank whose owner has its rows on a small disk.
func smallRows(b *battery, name string) (*bank, error) {
	dir := filepath.Join(b.dir, name, "owner-1")
	if err := smallDisk(dir, 64); err != nil {
		return nil, err
	}
	k, err := b.newBank(name, 2)
	k.cleanup = func() { freeDisk(dir) }
	if err == nil {
		err = k.addOwner(plainOwner)
	}
	return k, err
}

// KW-24: nothing more can be written to the disk of the ledger's rows. The owner may put commands off; it
// goes on by itself when there is room.
func fullRows(ctx context.Context, s *stage) error {
	for range 2 {
		empty, err := fill(filepath.Join(s.dir, "owner-1"))
		if err != nil {
			return err
		}
		s.injected("disk full under the owner's rows (KW-24)")
		wait(ctx, 5*time.Second)
		empty()
		if err := s.serving(ctx); err != nil {
			return err
		}
	}
	return nil
}
