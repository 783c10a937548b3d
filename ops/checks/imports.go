package checks

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// imported is one import of a Go file.
type imported struct {
	file *File
	path string
	line int
}

// problem returns what is wrong with the import.
func (i imported) problem(format string, args ...any) Problem {
	return Problem{Path: i.file.Path, Line: i.line, Text: fmt.Sprintf(format, args...)}
}

// imports returns every import of every Go file.
func (t *Tree) imports() []imported {
	var all []imported
	for _, file := range t.goFiles() {
		for _, spec := range file.Go.Imports {
			// The parser has refused literals that do not unquote.
			name, _ := strconv.Unquote(spec.Path.Value)
			all = append(all, imported{file: file, path: name, line: file.line(spec.Pos())})
		}
	}
	return all
}

// Arrows finds imports that point right in schemas ◄ streams ◄ projections ◄ services ◄ ops.
func Arrows(t *Tree) []Problem {
	var problems []Problem
	for _, i := range t.imports() {
		local, ours := strings.CutPrefix(i.path, Module+"/")
		if !ours {
			continue
		}
		from, to := segment(i.file.Path, 0), segment(local, 0)
		if slices.Index(layers(), to) > slices.Index(layers(), from) {
			problems = append(problems, i.problem("%s imports %s", from, local))
		}
	}
	return problems
}

// place says where a library may be imported.
type place struct {
	library string
	folders []string
	// tests says that test files may import it anywhere.
	tests bool
}

// places lists the libraries that are kept in few hands, by the prefix of their import path.
func places() []place {
	const franz = "github.com/twmb/franz-go/pkg/"
	return []place{
		// A test may be the foreign writer that the code under it must survive.
		{library: franz + "kgo", folders: []string{"streams", "ops/battery", "ops/bench"}, tests: true},
		{library: franz + "kadm", folders: []string{"streams", "ops/battery", "ops/bench"}},
		{library: franz + "kfake", folders: []string{"streams/broker", "streams/fake", "ops"}, tests: true},
		{library: franz + "sr", folders: []string{"schemas"}},
		{library: "github.com/twmb/avro", folders: []string{"schemas", "streams"}},
		{library: "github.com/linkedin/goavro", folders: []string{"schemas", "streams"}},
		{library: "github.com/gocql/gocql", folders: []string{"projections/store/cassandra"}},
		{library: "github.com/cockroachdb/pebble", folders: []string{"projections/store/pebble"}},
		{library: "github.com/minio/minio-go", folders: []string{"ops/exporter"}},
	}
}

// Libraries finds imports of a library outside the folders that it is kept in.
func Libraries(t *Tree) []Problem {
	var problems []Problem
	for _, i := range t.imports() {
		for _, p := range places() {
			if within(i.path, p.library) && !p.allows(i.file) {
				problems = append(problems, i.problem("%s may be imported in %s only", p.library, strings.Join(p.folders, " and ")))
			}
		}
	}
	return problems
}

// allows tells whether the file may import the library.
func (p place) allows(file *File) bool {
	inside := func(folder string) bool { return within(file.Folder(), folder) }
	return p.tests && file.Test() || slices.ContainsFunc(p.folders, inside)
}

// queryFolder is of the services, and no service: it is what those that answer from projections do alike.
const queryFolder = "query"

// Siblings finds imports of one read model by another and of one service by another.
func Siblings(t *Tree) []Problem {
	var problems []Problem
	for _, i := range t.imports() {
		local, ours := strings.CutPrefix(i.path, Module+"/")
		layer, from, to := segment(local, 0), segment(i.file.Folder(), 1), segment(local, 1)
		if !ours || layer != segment(i.file.Path, 0) || from == to || from == "" || to == "" {
			continue
		}
		switch {
		case layer == "services" && to != queryFolder:
			problems = append(problems, i.problem("service %s imports service %s", from, to))
		case layer == "projections" && readModel(from) && readModel(to):
			problems = append(problems, i.problem("read model %s imports read model %s", from, to))
		}
	}
	return problems
}

// segment returns the nth part of a path, counted from 0; "" where it has fewer.
func segment(name string, n int) string {
	parts := strings.Split(name, "/")
	if n >= len(parts) {
		return ""
	}
	return parts[n]
}
