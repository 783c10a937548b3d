package checks

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// Docs finds packages without a package comment and exported names without a comment. Generated
// files and the names in test files are left out; fields and methods of interfaces are left to readers.
func Docs(t *Tree) []Problem {
	problems := packageDocs(t)
	for _, file := range t.goFiles() {
		if file.Test() || file.Marked() {
			continue
		}
		for _, decl := range file.Go.Decls {
			for _, name := range undocumented(decl) {
				text := fmt.Sprintf("%s is exported and has no comment", name.Name)
				problems = append(problems, Problem{Path: file.Path, Line: file.line(name.Pos()), Text: text})
			}
		}
	}
	return problems
}

// packageDocs finds folders with Go files of which none has a package comment. The comment of a test
// file counts only where there is nothing but tests.
func packageDocs(t *Tree) []Problem {
	compiled, documented := map[string]bool{}, map[string]bool{}
	for _, file := range t.goFiles() {
		compiled[file.Folder()] = compiled[file.Folder()] || !file.Test()
	}
	for _, file := range t.goFiles() {
		name, text := file.Go.Name.Name, file.Go.Doc.Text()
		speaks := strings.HasPrefix(text, "Package "+name+" ") || name == "main" && text != ""
		if speaks && file.Test() != compiled[file.Folder()] {
			documented[file.Folder()] = true
		}
	}
	var problems []Problem
	for _, folder := range slices.Sorted(maps.Keys(compiled)) {
		if !documented[folder] {
			problems = append(problems, Problem{Path: folder, Text: "no file has a package comment"})
		}
	}
	return problems
}

// undocumented returns the exported names that a declaration introduces without a comment.
func undocumented(decl ast.Decl) []*ast.Ident {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Doc == nil && decl.Name.IsExported() && exportedReceiver(decl.Recv) && !wellKnown(decl) {
			return []*ast.Ident{decl.Name}
		}
	case *ast.GenDecl:
		return undocumentedSpecs(decl)
	}
	return nil
}

// undocumentedSpecs returns the exported names of a declaration of types, constants or variables
// that have no comment. The comment of a group speaks for its constants and variables.
func undocumentedSpecs(decl *ast.GenDecl) []*ast.Ident {
	var names []*ast.Ident
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Doc == nil && spec.Comment == nil && (decl.Doc == nil || decl.Lparen.IsValid()) {
				names = append(names, spec.Name)
			}
		case *ast.ValueSpec:
			if spec.Doc == nil && spec.Comment == nil && decl.Doc == nil {
				names = append(names, spec.Names...)
			}
		}
	}
	return slices.DeleteFunc(names, func(name *ast.Ident) bool { return !token.IsExported(name.Name) })
}

// wellKnown tells whether a function is a method whose meaning every reader of Go knows from the
// standard library.
func wellKnown(decl *ast.FuncDecl) bool {
	return decl.Recv != nil && slices.Contains([]string{"Error", "String", "Unwrap"}, decl.Name.Name)
}

// exportedReceiver tells whether a function has no receiver or one of an exported type.
func exportedReceiver(receiver *ast.FieldList) bool {
	if receiver == nil {
		return true
	}
	kind := receiver.List[0].Type
	for {
		switch inner := kind.(type) {
		case *ast.StarExpr:
			kind = inner.X
		case *ast.IndexExpr:
			kind = inner.X
		case *ast.IndexListExpr:
			kind = inner.X
		case *ast.Ident:
			return inner.IsExported()
		default:
			return false
		}
	}
}
