package checks

import (
	"fmt"
	"go/ast"
	"slices"
)

// catalogFolder is where read models are registered, one line each.
const catalogFolder = "projections/catalog"

// readModel tells whether a folder of projections is a read model, rather than what runs them.
func readModel(folder string) bool {
	machinery := []string{"projection", "engine", "store", "catalog", "acts", "harness", "ledger", "digest", "certificate", "snapshot"}
	return !slices.Contains(machinery, folder)
}

// Catalog finds read models that the catalog does not import.
func Catalog(t *Tree) []Problem {
	named := map[string]bool{}
	for _, i := range t.imports() {
		if i.file.Folder() == catalogFolder && !i.file.Test() {
			named[i.path] = true
		}
	}
	var problems []Problem
	for _, folder := range t.readModels() {
		if !named[Module+"/"+folder] {
			problems = append(problems, Problem{Path: folder, Text: fmt.Sprintf("is not named in %s", catalogFolder)})
		}
	}
	return problems
}

// readModels returns the folders of the read models.
func (t *Tree) readModels() []string {
	return slices.DeleteFunc(t.folders(), func(folder string) bool {
		name := segment(folder, 1)
		return segment(folder, 0) != "projections" || name == "" || segment(folder, 2) != "" || !readModel(name)
	})
}

// Harness finds read models that no test of theirs gives to the harness with their scripts.
func Harness(t *Tree) []Problem {
	run := map[string]bool{}
	for _, file := range t.goFiles() {
		if !file.Test() {
			continue
		}
		ast.Inspect(file.Go, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Scripts" {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "harness" {
					run[file.Folder()] = true
				}
			}
			return true
		})
	}
	var problems []Problem
	for _, folder := range t.readModels() {
		if !run[folder] {
			problems = append(problems, Problem{Path: folder, Text: "has no test that calls harness.Scripts"})
		}
	}
	return problems
}
