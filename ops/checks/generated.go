package checks

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// Generated finds generated files that do not say so, and Go files that say so without a name that
// shows it: they would escape the checks of what is written by hand.
func Generated(t *Tree) []Problem {
	var problems []Problem
	for _, file := range t.Files {
		named := generatedName(file.Path)
		switch {
		case named && file.Go != nil && !file.Marked(),
			named && file.Go == nil && !bytes.Contains(file.Content, []byte("DO NOT EDIT")):
			problems = append(problems, Problem{Path: file.Path, Text: "is generated and does not say DO NOT EDIT"})
		case !named && file.Marked():
			problems = append(problems, Problem{Path: file.Path, Text: "says it is generated and is not named like it"})
		}
	}
	return problems
}

// generatedName tells whether a file is generated, by its name.
func generatedName(name string) bool {
	suffixes := []string{".pb.go", ".pb.gw.go", "_gen.go", "_string.go"}
	ends := func(suffix string) bool { return strings.HasSuffix(name, suffix) }
	return path.Base(name) == "openapi.json" || slices.ContainsFunc(suffixes, ends)
}
