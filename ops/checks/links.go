package checks

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// Links finds what the README and the decisions name and the tree does not have: targets of relative links,
// and paths in code, which begin with a top-level folder. Links are relative to their file, paths in code to
// the root. Addresses, and links within a file, are not looked at.
func Links(t *Tree) []Problem {
	there := map[string]bool{".": true}
	for _, file := range t.Files {
		for name := file.Path; name != "."; name = path.Dir(name) {
			there[name] = true
		}
	}
	var problems []Problem
	for _, file := range t.Files {
		if file.Path != "README.md" && (file.Folder() != "ops/decisions" || path.Ext(file.Path) != ".md") {
			continue
		}
		for _, r := range references(file) {
			if !there[r.path] {
				problems = append(problems, Problem{Path: file.Path, Line: r.line, Text: fmt.Sprintf("names %s, which is not there", r.path)})
			}
		}
	}
	return problems
}

// reference is a place in the tree that a document names, by its path from the root.
type reference struct {
	path string
	line int
}

// references returns what a document names, in the order of its lines. A line between fences is all code.
func references(file *File) []reference {
	code := regexp.MustCompile("`[^`]+`")
	var found []reference
	fenced := false
	for n, line := range bytes.Split(file.Content, []byte("\n")) {
		text := string(line)
		if strings.HasPrefix(strings.TrimSpace(text), "```") {
			fenced = !fenced
			continue
		}
		named := []string{text}
		if !fenced {
			for _, target := range targets(code.ReplaceAllString(text, "``")) {
				found = append(found, reference{path: path.Join(file.Folder(), target), line: n + 1})
			}
			named = code.FindAllString(text, -1)
		}
		for _, span := range named {
			for _, name := range codePaths(span) {
				found = append(found, reference{path: name, line: n + 1})
			}
		}
	}
	return found
}

// targets returns the files and folders that the links of a line lead to, relative to its file. Code in the
// line is left out: what stands there is not a link.
func targets(line string) []string {
	link := regexp.MustCompile(`\]\(\s*<?([^\s)>]*)|^\s*\[[^\]]+\]:\s*<?([^\s>]+)`)
	var found []string
	for _, match := range link.FindAllStringSubmatch(line, -1) {
		target, _, _ := strings.Cut(match[1]+match[2], "#")
		if target != "" && !strings.Contains(target, ":") {
			found = append(found, target)
		}
	}
	return found
}

// codePaths returns the paths in a piece of code, which may be a command.
func codePaths(code string) []string {
	name := regexp.MustCompile(`(?:^|[^\w./-])(?:\./)?((?:` + strings.Join(layers(), "|") + `)/[\w./-]*)`)
	var found []string
	for _, match := range name.FindAllStringSubmatch(code, -1) {
		found = append(found, path.Clean(strings.TrimSuffix(match[1], "...")))
	}
	return found
}
