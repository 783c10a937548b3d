package checks

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// ignoreRules are the patterns of a .gitignore at the root. Two forms are understood, which are
// enough for this repository: "/folder/" at the root, and a file name with stars, anywhere.
type ignoreRules struct {
	folders []string
	names   []string
}

// readIgnore reads the rules; a tree need not have any. A pattern of another form is an error.
func readIgnore(fsys fs.FS) (ignoreRules, error) {
	content, err := fs.ReadFile(fsys, ".gitignore")
	if errors.Is(err, fs.ErrNotExist) {
		return ignoreRules{}, nil
	}
	if err != nil {
		return ignoreRules{}, fmt.Errorf("read ignored files: %w", err)
	}
	var rules ignoreRules
	for _, pattern := range strings.Split(string(content), "\n") {
		pattern = strings.TrimSpace(pattern)
		inner := strings.Trim(pattern, "/")
		switch {
		case pattern == "" || pattern[0] == '#':
		case strings.ContainsAny(inner, "/!"):
			return ignoreRules{}, fmt.Errorf("read .gitignore: pattern %q is not understood", pattern)
		case pattern == "/"+inner+"/":
			rules.folders = append(rules.folders, inner)
		case pattern == inner:
			rules.names = append(rules.names, pattern)
		default:
			return ignoreRules{}, fmt.Errorf("read .gitignore: pattern %q is not understood", pattern)
		}
	}
	return rules, nil
}

// folder tells whether a folder is ignored.
func (r ignoreRules) folder(name string) bool { return matchAny(r.folders, name) }

// file tells whether a file is ignored.
func (r ignoreRules) file(name string) bool { return matchAny(r.names, path.Base(name)) }

// matchAny tells whether one of the patterns matches name. A malformed pattern matches nothing.
func matchAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return true
		}
	}
	return false
}
