package checks

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// maxDepth is how many folders may lie between a top-level folder and a file.
const maxDepth = 3

// layers returns the top-level folders in the order in which they may import each other: each only
// itself and those before it.
func layers() []string { return []string{"schemas", "streams", "projections", "services", "ops"} }

// TopLevel finds entries of the root that do not belong there, and those that are missing. Files and
// folders that begin with a dot are free.
func TopLevel(t *Tree) []Problem {
	allowed := append(layers(), "go.mod", "go.sum", "Taskfile.yml", "README.md", "LICENSE")
	found := map[string]bool{}
	for _, file := range t.Files {
		entry, _, _ := strings.Cut(file.Path, "/")
		found[entry] = true
	}
	var problems []Problem
	for _, entry := range allowed {
		if !found[entry] {
			problems = append(problems, Problem{Path: entry, Text: "is missing at the top level"})
		}
		delete(found, entry)
	}
	for entry := range found {
		if entry[0] != '.' {
			problems = append(problems, Problem{Path: entry, Text: "does not belong at the top level"})
		}
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return problems
}

// Depth finds folders that lie deeper than three below a top-level folder.
func Depth(t *Tree) []Problem {
	var problems []Problem
	for _, folder := range t.folders() {
		if depth := strings.Count(folder, "/"); depth > maxDepth {
			text := fmt.Sprintf("lies %d folders below the top-level folder; %d are allowed", depth, maxDepth)
			problems = append(problems, Problem{Path: folder, Text: text})
		}
	}
	return problems
}

// Names finds folders and packages whose name says nothing about what is in them.
func Names(t *Tree) []Problem {
	var problems []Problem
	for _, folder := range t.folders() {
		if name := path.Base(folder); SaysNothing(name) {
			problems = append(problems, Problem{Path: folder, Text: fmt.Sprintf("folder name %s says nothing", name)})
		}
	}
	for _, file := range t.goFiles() {
		if name := file.Go.Name.Name; SaysNothing(name) {
			problems = append(problems, Problem{Path: file.Path, Text: fmt.Sprintf("package name %s says nothing", name)})
		}
	}
	return problems
}

// SaysNothing tells whether a name of a folder or package says nothing about what is in it.
func SaysNothing(name string) bool {
	return slices.Contains([]string{
		"internal", "pkg", "cmd", "util", "utils", "common", "shared", "base",
		"helper", "helpers", "types", "models", "core", "misc", "lib",
	}, name)
}
