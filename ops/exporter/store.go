package exporter

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Store keeps an export. Names are paths with slashes. Its methods may be called concurrently, also by other processes.
type Store interface {
	// Temporary is the folder of this machine in which files grow; it is there.
	Temporary() string
	// Put stores a file that is whole under a name, in place of what may be there. Then the file may be gone.
	Put(ctx context.Context, file, name string) error
	// Read returns what is stored under a name; fs.ErrNotExist where nothing is.
	Read(ctx context.Context, name string) ([]byte, error)
	// Create stores something under a name where nothing is; else it is fs.ErrExist. What was put before is as durable
	// when it returns.
	Create(ctx context.Context, name string, content []byte) error
	// String says where it is, for people.
	String() string
}

// folder is a Store on a file system.
type folder string

// OpenFolder returns the store in a folder, which is made where it is missing.
func OpenFolder(path string) (Store, error) {
	for _, name := range []string{entriesFolder, manifestFolder} {
		if err := os.MkdirAll(filepath.Join(path, name), 0o755); err != nil {
			return nil, err
		}
	}
	return folder(path), nil
}

func (f folder) path(name string) string { return filepath.Join(string(f), filepath.FromSlash(name)) }

// String implements Store.
func (f folder) String() string { return string(f) }

// Temporary implements Store: a file can only be renamed within a file system.
func (f folder) Temporary() string { return f.path(entriesFolder) }

// Put implements Store.
func (f folder) Put(_ context.Context, file, name string) error { return os.Rename(file, f.path(name)) }

// Read implements Store.
func (f folder) Read(_ context.Context, name string) ([]byte, error) {
	return os.ReadFile(f.path(name))
}

// Create implements Store.
func (f folder) Create(_ context.Context, name string, content []byte) error {
	if err := syncFolder(f.path(entriesFolder)); err != nil {
		return err
	}
	path := f.path(name)
	grown, err := os.CreateTemp(filepath.Dir(path), "*"+growing)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(grown.Name()) }() // it has another name, or is of no use
	_, err = grown.Write(content)
	if err = errors.Join(err, grown.Chmod(0o644), grown.Sync(), grown.Close()); err != nil {
		return err
	}
	if err := os.Link(grown.Name(), path); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	} else if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
