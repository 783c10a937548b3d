package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/refold/refold/ops/checks"
)

// blank is the projection that is written, with NAME for its name.
//
//go:embed template
var blank embed.FS

// create is the command that writes code.
func (c *cli) create() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Write the beginnings of a projection into the source tree",
		Args:  args(0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "projection NAME",
		Short: "Write a projection that works, with its test, and its line in the catalog",
		Args:  args(1),
		RunE: func(_ *cobra.Command, a []string) error {
			here, err := os.Getwd()
			if err != nil {
				return fmt.Errorf("write projection %s: %w", a[0], err)
			}
			return c.writeProjection(here, a[0])
		},
	})
	return cmd
}

// writeProjection writes a projection into the module that a folder lies in. It is written beside and renamed, and
// the catalog comes last: of a run that was cut short between the two, the next one does the rest.
func (c *cli) writeProjection(folder, name string) error {
	if problem := c.unfit(name); problem != "" {
		return fmt.Errorf("%w: %s", errUsage, problem)
	}
	root, err := moduleRoot(folder)
	if err != nil {
		return err
	}
	at := filepath.Join(root, "projections", name)
	catalog := filepath.Join(root, "projections", "catalog", "catalog.go")
	before, err := os.ReadFile(catalog)
	if err != nil {
		return fmt.Errorf("write projection %s: %w", name, err)
	}
	after, err := catalogued(before, name)
	if err != nil {
		return fmt.Errorf("write projection %s: %s: %w", name, catalog, err)
	}
	files := projectionFiles(name)
	if _, err := os.Lstat(at); err == nil && (after == nil || !holds(at, files)) {
		return fmt.Errorf("%w: %s is there already", errUsage, filepath.Join("projections", name))
	}
	if after == nil {
		return fmt.Errorf("%w: the catalog names %s already", errUsage, name)
	}
	if err = writeFolder(at, files); err == nil {
		err = renamed(catalog, func(beside string) error { return os.WriteFile(beside, after, 0o644) })
	}
	if err != nil {
		return fmt.Errorf("write projection %s: %w", name, err)
	}
	if c.json {
		return c.printJSON(map[string]string{"folder": at, "catalog": catalog})
	}
	fmt.Fprintf(c.stdout, `projections/%[1]s is written, and its line in projections/catalog. Next, in %[2]s:
  go test ./projections/%[1]s             # every script, in every way that the harness knows
  go test ./projections/%[1]s -rewrite    # after a change: the diff of testdata is the review
projections/README.md walks through it.
`, name, root)
	return nil
}

// unfit says why a projection cannot have a name; "" where it can.
func (c *cli) unfit(name string) string {
	// What these take for a command cannot be the name of a projection after them.
	commands := besideReplay()
	for _, cmd := range slices.Concat(c.replay().Commands(), c.effects().Commands()) {
		commands = append(commands, cmd.Name())
	}
	switch {
	case !regexp.MustCompile(`^[a-z][a-z0-9]{0,39}$`).MatchString(name):
		return fmt.Sprintf("%q is no name of a projection: lower-case letters and digits, a letter first, 40 at most", name)
	case token.IsKeyword(name) || types.Universe.Lookup(name) != nil || slices.Contains([]string{"init", "main", "testdata", "vendor"}, name):
		return fmt.Sprintf("%q has a meaning in Go and cannot name a projection", name)
	case slices.Contains(commands, name):
		return fmt.Sprintf("%q is a command of refold, which would be taken for it", name)
	case checks.SaysNothing(name):
		return fmt.Sprintf("%q says nothing: name what the rows are", name)
	}
	return ""
}

// moduleRoot returns the folder of the module that a folder lies in, which must be this one.
func moduleRoot(folder string) (string, error) {
	for at := folder; ; at = filepath.Dir(at) {
		b, err := os.ReadFile(filepath.Join(at, "go.mod"))
		switch {
		case err == nil && regexp.MustCompile(`(?m)^module `+regexp.QuoteMeta(checks.Module)+`\s*$`).Match(b):
			return at, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("look for the module: %w", err)
		case at == filepath.Dir(at):
			return "", fmt.Errorf("%w: %s is not in the source tree of %s, where projections are written", errUsage, folder, checks.Module)
		}
	}
}

// projectionFiles returns the files of a projection by their paths in its folder.
func projectionFiles(name string) map[string][]byte {
	files := make(map[string][]byte)
	for at, template := range map[string]string{
		name + ".go":                           "projection.go.txt",
		name + "_test.go":                      "projection_test.go.txt",
		filepath.Join("testdata", "month.txt"): "month.txt",
	} {
		b, err := blank.ReadFile("template/" + template)
		if err != nil {
			panic(err) // it is embedded
		}
		files[at] = bytes.ReplaceAll(b, []byte("NAME"), []byte(name))
	}
	return files
}

// holds tells whether a folder has these files as they are.
func holds(folder string, files map[string][]byte) bool {
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || !bytes.Equal(got, want) {
			return false
		}
	}
	return true
}

// writeFolder writes a folder whole or not at all. One that is there already holds the files.
func writeFolder(at string, files map[string][]byte) error {
	if _, err := os.Lstat(at); err == nil {
		return nil
	}
	return renamed(at, func(beside string) error {
		for name, b := range files {
			file := filepath.Join(beside, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(file, b, 0o644); err != nil {
				return err
			}
		}
		return nil
	})
}

// renamed has something written beside where it belongs, and moves it there. What an earlier run left is removed.
func renamed(at string, write func(beside string) error) error {
	// The go command passes over names that begin with a dot.
	beside := filepath.Join(filepath.Dir(at), "."+filepath.Base(at)+".unfinished")
	err := os.RemoveAll(beside)
	if err == nil {
		err = write(beside)
	}
	if err == nil {
		err = os.Rename(beside, at)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(beside))
	}
	return nil
}

// errCatalog is returned where the catalog does not look as it should.
var errCatalog = errors.New("it has no imports or no list of definitions to add a line to")

// catalogued returns the catalog with a projection in it; nil where it is there already.
func catalogued(source []byte, name string) ([]byte, error) {
	path := fmt.Sprintf("%q", checks.Module+"/projections/"+name)
	text := string(source)
	if strings.Contains(text, path) {
		return nil, nil
	}
	const imports, last = "import (\n", ".Definition(),\n"
	if !strings.Contains(text, imports) || !strings.Contains(text, last) {
		return nil, errCatalog
	}
	end := strings.LastIndex(text, last) + len(last)
	text = text[:end] + name + last + text[end:]
	text = strings.Replace(text, imports, imports+path+"\n", 1)
	return format.Source([]byte(text))
}
