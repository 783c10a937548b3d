package checks

import (
	"bytes"
	"regexp"
)

// MachinePaths finds absolute paths in text files that exist on one machine only: of a home folder,
// of a checkout, of temporary files.
func MachinePaths(t *Tree) []Problem {
	pattern := regexp.MustCompile(`(?:^|[^\w.*-])/(?:root|work|farm|tmp|home|Users)/[A-Za-z]`)
	var problems []Problem
	for _, file := range t.Files {
		if !file.Text() {
			continue
		}
		for n, line := range bytes.Split(file.Content, []byte("\n")) {
			if pattern.Match(line) {
				problems = append(problems, Problem{Path: file.Path, Line: n + 1, Text: "holds a path of one machine"})
			}
		}
	}
	return problems
}
