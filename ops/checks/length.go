package checks

import (
	"fmt"
	"go/ast"
)

// The lengths at which functions and files are split, in lines.
const (
	maxFunction = 60
	maxFile     = 400
	// A test function is often a table.
	maxTestFunction = 160
	maxTestFile     = 600
)

// Length finds hand-written functions and Go files that are too long to be read at once.
func Length(t *Tree) []Problem {
	var problems []Problem
	for _, file := range t.goFiles() {
		if file.Marked() {
			continue
		}
		limit := maxFile
		if file.Test() {
			limit = maxTestFile
		}
		if lines := file.Lines(); lines > limit {
			text := fmt.Sprintf("has %d lines; %d are allowed", lines, limit)
			problems = append(problems, Problem{Path: file.Path, Text: text})
		}
		problems = append(problems, longFunctions(file)...)
	}
	return problems
}

// longFunctions finds the functions of a file that are too long, from func to the last brace.
func longFunctions(file *File) []Problem {
	limit := maxFunction
	if file.Test() {
		limit = maxTestFunction
	}
	var problems []Problem
	for _, decl := range file.Go.Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		first := file.line(function.Type.Func)
		if lines := file.line(function.End()) - first + 1; lines > limit {
			text := fmt.Sprintf("%s has %d lines; %d are allowed", function.Name.Name, lines, limit)
			problems = append(problems, Problem{Path: file.Path, Line: first, Text: text})
		}
	}
	return problems
}
