// Package checks holds the shape of the tree: which folder may import which, where a library may be
// used, what must be documented, how long a function may be. Its test runs every check over the
// repository, so that a change that breaks the shape fails `go test ./...`.
//
// A check reads files and nothing else. It does not ask the go command, whose answers the test cache
// may keep longer than they are true. Every check is itself tested on a small bad tree in testdata,
// where it must find what is wrong.
package checks

import "fmt"

// Problem is one place that breaks a rule.
type Problem struct {
	// Path is relative to the root of the tree, with slashes.
	Path string
	// Line is counted from 1; 0 where the problem concerns the whole file or folder.
	Line int
	// Text says what is wrong.
	Text string
}

// String returns the problem in one line, as compilers print theirs.
func (p Problem) String() string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", p.Path, p.Text)
	}
	return fmt.Sprintf("%s:%d: %s", p.Path, p.Line, p.Text)
}

// Check is one rule over a tree.
type Check struct {
	// Name is the rule in one or two words; the script that tests it has the same name.
	Name string
	// Find returns what breaks the rule, in the order of the files. It does not change the tree.
	Find func(*Tree) []Problem
}

// All returns every check, those of the whole tree first.
func All() []Check {
	return []Check{
		{"toplevel", TopLevel},
		{"depth", Depth},
		{"names", Names},
		{"arrows", Arrows},
		{"libraries", Libraries},
		{"siblings", Siblings},
		{"catalog", Catalog},
		{"harness", Harness},
		{"docs", Docs},
		{"length", Length},
		{"generated", Generated},
		{"paths", MachinePaths},
		{"links", Links},
	}
}
