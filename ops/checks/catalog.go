package checks

import (
	"fmt"
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
	for _, folder := range t.folders() {
		name := segment(folder, 1)
		if segment(folder, 0) != "projections" || name == "" || segment(folder, 2) != "" || !readModel(name) {
			continue
		}
		if !named[Module+"/"+folder] {
			problems = append(problems, Problem{Path: folder, Text: fmt.Sprintf("is not named in %s", catalogFolder)})
		}
	}
	return problems
}
