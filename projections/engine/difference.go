package engine

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/refold/refold/projections/projection"
)

// Difference is a row that differs between two generations. A value is empty where there is no row.
type Difference struct {
	Partition       int32
	Key             projection.Key
	Live, Candidate string
	// Fields are where the rows differ, in the order of their paths.
	Fields []Field
}

// Field is a field that differs, as JSON; empty where one side lacks it.
type Field struct {
	// Path leads to the field, such as Lines[2].SpentMinor.
	Path, Live, Candidate string
}

// fields returns where two rows differ. A row that is not there differs as a whole.
func fields(live, candidate string) ([]Field, error) {
	if live == "" || candidate == "" {
		return []Field{{Path: "(row)", Live: live, Candidate: candidate}}, nil
	}
	a, err := parsed(live)
	if err != nil {
		return nil, err
	}
	b, err := parsed(candidate)
	if err != nil {
		return nil, err
	}
	return differing(nil, "", a, b), nil
}

// parsed returns JSON as values; numbers keep all their digits.
func parsed(text string) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("row %.100q: %w", text, err)
	}
	return v, nil
}

// absent stands for a field that one side lacks.
type absent struct{}

// differing appends where two values differ.
func differing(dst []Field, path string, a, b any) []Field {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			return inObjects(dst, path, x, y)
		}
	case []any:
		if y, ok := b.([]any); ok {
			return inLists(dst, path, x, y)
		}
	}
	if of(a) == of(b) {
		return dst
	}
	return append(dst, Field{Path: cmp.Or(path, "(row)"), Live: of(a), Candidate: of(b)})
}

func inObjects(dst []Field, path string, x, y map[string]any) []Field {
	names := maps.Clone(x)
	maps.Copy(names, y)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		at := name
		if path != "" {
			at = path + "." + name
		}
		dst = differing(dst, at, member(x, name), member(y, name))
	}
	return dst
}

func member(of map[string]any, name string) any {
	if v, ok := of[name]; ok {
		return v
	}
	return absent{}
}

func inLists(dst []Field, path string, x, y []any) []Field {
	for i := range max(len(x), len(y)) {
		at := path + "[" + strconv.Itoa(i) + "]"
		dst = differing(dst, at, element(x, i), element(y, i))
	}
	return dst
}

func element(of []any, i int) any {
	if i < len(of) {
		return of[i]
	}
	return absent{}
}

// of returns a value as JSON, "" where there is none.
func of(v any) string {
	if _, none := v.(absent); none {
		return ""
	}
	b, _ := json.Marshal(v) // it was JSON before
	return string(b)
}
