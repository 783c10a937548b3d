package checks

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Module is the path under which packages of the tree import each other.
const Module = "github.com/refold/refold"

// Tree is the files of a repository, read once. It may be read by many goroutines.
type Tree struct {
	// Files are sorted by path. What .gitignore names is not among them, nor is .git, a folder or, in
	// a linked worktree, a file.
	Files []*File
}

// File is one file of a tree.
type File struct {
	// Path is relative to the root, with slashes.
	Path string
	// Content is the whole file.
	Content []byte
	// Go is the parsed file; nil where it is not Go, or lies under a testdata folder.
	Go *ast.File
	// Positions resolves the positions in Go.
	Positions *token.FileSet
}

// Read reads the tree below the root of fsys and parses its Go files. An error names the file that
// could not be read or does not parse.
func Read(fsys fs.FS) (*Tree, error) {
	ignored, err := readIgnore(fsys)
	if err != nil {
		return nil, err
	}
	tree := &Tree{}
	err = fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == ".git" || ignored.folder(name)):
			return fs.SkipDir
		case entry.IsDir() || name == ".git" || ignored.file(name):
			return nil
		}
		file, err := readFile(fsys, name)
		tree.Files = append(tree.Files, file)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read tree: %w", err)
	}
	slices.SortFunc(tree.Files, func(a, b *File) int { return strings.Compare(a.Path, b.Path) })
	return tree, nil
}

// readFile reads one file and parses it where it is Go.
func readFile(fsys fs.FS, name string) (*File, error) {
	content, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	file := &File{Path: name, Content: content}
	if path.Ext(name) != ".go" || slices.Contains(strings.Split(name, "/"), "testdata") {
		return file, nil
	}
	file.Positions = token.NewFileSet()
	file.Go, err = parser.ParseFile(file.Positions, name, content, parser.ParseComments|parser.SkipObjectResolution)
	return file, err
}

// goFiles returns the files that the go command would compile.
func (t *Tree) goFiles() []*File {
	return slices.DeleteFunc(slices.Clone(t.Files), func(f *File) bool { return f.Go == nil })
}

// folders returns every folder that holds a file, or a folder that does, sorted. Folders named
// testdata and what is below them are left out: their shape is their test's.
func (t *Tree) folders() []string {
	seen := map[string]bool{}
	for _, file := range t.Files {
		folder, _, _ := strings.Cut("/"+path.Dir(file.Path)+"/", "/testdata/")
		for folder = strings.Trim(folder, "/"); folder != "." && folder != ""; folder = path.Dir(folder) {
			seen[folder] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// Folder returns the folder of the file, "." for the root.
func (f *File) Folder() string { return path.Dir(f.Path) }

// Test tells whether the go command compiles the file for tests only.
func (f *File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Marked tells whether a Go file says that it is generated, in the words that the go command knows.
func (f *File) Marked() bool { return f.Go != nil && ast.IsGenerated(f.Go) }

// Text tells whether the file is text.
func (f *File) Text() bool { return !bytes.ContainsRune(f.Content, 0) }

// Lines returns the number of lines.
func (f *File) Lines() int { return bytes.Count(f.Content, []byte("\n")) }

// line returns the line of a position in a Go file.
func (f *File) line(p token.Pos) int { return f.Positions.Position(p).Line }

// within tells whether a path or import path is a folder or lies below it.
func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, folder+"/")
}
