package gateway

import (
	"bytes"
	_ "embed" // for pageText
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
)

// pageText is the template of what a browser sees first: what is here.
//
//go:embed page.html
var pageText string

// listed is a call as the page shows it.
type listed struct {
	Method, Path, RPC string
}

// Linked reports whether a browser can make the call by following a link.
func (l listed) Linked() bool { return l.Method == "GET" && !strings.Contains(l.Path, "{") }

// page returns the page of the calls that are served.
func (r routes) page() ([]byte, error) {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("parse the page: %w", err)
	}
	var calls []listed
	for _, key := range slices.SortedFunc(maps.Keys(r), byPath) {
		method, path, _ := strings.Cut(key, " ")
		calls = append(calls, listed{Method: method, Path: path, RPC: r[key].rpc})
	}
	var out bytes.Buffer
	if err := t.Execute(&out, calls); err != nil {
		return nil, fmt.Errorf("print the page: %w", err)
	}
	return out.Bytes(), nil
}

// byPath orders keys of routes by their paths, then by their methods.
func byPath(a, b string) int {
	methodA, pathA, _ := strings.Cut(a, " ")
	methodB, pathB, _ := strings.Cut(b, " ")
	return strings.Compare(pathA+" "+methodA, pathB+" "+methodB)
}
