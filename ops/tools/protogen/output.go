package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// replace removes what an earlier run left in dir and writes outputs, whose names are paths below
// root. Files in dir that are not generated stay.
func replace(root, dir string, outputs map[string]string) error {
	if err := removeGenerated(dir); err != nil {
		return fmt.Errorf("clear %s: %w", dir, err)
	}
	for name, content := range outputs {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("write %s: outside the repository", name)
		}
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// removeGenerated deletes generated files below dir, which need not exist.
func removeGenerated(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || entry.IsDir() || !generated(entry.Name()) {
			return err
		}
		return os.Remove(path)
	})
}

// generated tells by its name whether one of the plugins wrote a file.
func generated(name string) bool {
	return strings.HasSuffix(name, ".pb.go") || strings.HasSuffix(name, ".pb.gw.go") || name == "openapi.json"
}
