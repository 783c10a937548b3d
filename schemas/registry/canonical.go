package registry

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// canonical writes an Avro schema so that texts which differ only in white space, in the order of members, in
// {"type":"string"} for "string", in a name written with or without its namespace, in attributes beside the name of a
// type that is defined elsewhere, or in the attribute "order":"ascending" come out equal. Everything else stays, above all doc, defaults, aliases and attributes of one's
// own: two schemas that differ there are two schemas with two ids, as in Confluent's registry. It is not Avro's
// Parsing Canonical Form, which drops those.
//
// It checks the shape it needs to know, not the whole of Avro's rules: parseSchema does that.
func canonical(text string) (string, error) {
	return rewrite(text, nil)
}

// inline writes text as canonical does, and puts the definition of every type of known where the text first names it,
// so that the result needs no reference.
func inline(text string, known map[string]definition) (string, error) {
	return rewrite(text, known)
}

func rewrite(text string, known map[string]definition) (string, error) {
	v, err := parseJSON(text)
	if err != nil {
		return "", err
	}
	w := schemaWriter{known: known, defined: map[string]bool{}}
	if err := w.schema(v, scope{}); err != nil {
		return "", err
	}
	return string(w.out), nil
}

// definition is a named type found in a schema text: its JSON, and the namespace in which that JSON stands.
type definition struct {
	node  map[string]any
	space string
}

// scope is the namespace around a place of the text that is read, and around the place of the text that is written.
// They differ only where a definition of another schema is put in.
type scope struct{ read, write string }

type schemaWriter struct {
	out     []byte
	known   map[string]definition
	defined map[string]bool // full names written so far
	foreign int             // how many definitions of other schemas enclose this place
}

func (w *schemaWriter) schema(v any, sc scope) error {
	switch t := v.(type) {
	case string:
		return w.name(t, sc)
	case []any:
		return w.union(t, sc)
	case map[string]any:
		return w.object(t, sc)
	default:
		return fmt.Errorf("%s is no schema", appendJSON(nil, v))
	}
}

func (w *schemaWriter) union(branches []any, sc scope) error {
	w.text("[")
	for i, branch := range branches {
		if i > 0 {
			w.text(",")
		}
		if err := w.schema(branch, sc); err != nil {
			return err
		}
	}
	w.text("]")
	return nil
}

// name writes a primitive type, or a named type by its name; a type of known that is not yet defined is defined here.
func (w *schemaWriter) name(name string, sc scope) error {
	if primitive(name) {
		w.string(name)
		return nil
	}
	if complexKind(name) {
		return fmt.Errorf("type %q must stand in a JSON object with its other attributes", name)
	}
	full := fullName(name, sc.read)
	if !w.has(full) && w.has(name) {
		full = name // a type without namespace, named from inside one
	}
	if def, ok := w.known[full]; ok && !w.defined[full] {
		w.foreign++
		defer func() { w.foreign-- }()
		return w.object(def.node, scope{read: def.space, write: sc.write})
	}
	w.string(relativeName(full, sc.write))
	return nil
}

func (w *schemaWriter) has(full string) bool {
	_, known := w.known[full]
	return known || w.defined[full]
}

func (w *schemaWriter) object(m map[string]any, sc scope) error {
	kind, ok := m["type"].(string)
	if !ok {
		return fmt.Errorf(`"type" must be a string in %s`, appendJSON(nil, m))
	}
	switch {
	case namedKind(kind):
		return w.named(m, sc)
	case kind == "array":
		return w.container(m, "items", sc)
	case kind == "map":
		return w.container(m, "values", sc)
	case len(m) == 1 || !primitive(kind):
		return w.name(kind, sc)
	}
	w.text(`{"type":`)
	w.string(kind)
	w.rest(m, "type")
	w.text("}")
	return nil
}

func (w *schemaWriter) container(m map[string]any, content string, sc scope) error {
	w.text(`{"type":`)
	w.out = appendJSON(w.out, m["type"])
	w.text(`,"` + content + `":`)
	if err := w.schema(m[content], sc); err != nil {
		return err
	}
	w.rest(m, "type", content)
	w.text("}")
	return nil
}

func (w *schemaWriter) named(m map[string]any, sc scope) error {
	full, err := ownName(m, sc.read)
	if err != nil {
		return err
	}
	if w.defined[full] {
		if w.foreign == 0 {
			return fmt.Errorf("type %s is defined twice", full)
		}
		w.string(relativeName(full, sc.write))
		return nil
	}
	if _, ok := w.known[full]; ok && w.foreign == 0 {
		return fmt.Errorf("type %s is defined both in the schema and in a schema it refers to", full)
	}
	w.defined[full] = true
	return w.definition(m, full, sc)
}

func (w *schemaWriter) definition(m map[string]any, full string, sc scope) error {
	kind, _ := m["type"].(string)
	space := namespaceOf(full)
	w.text(`{"type":`)
	w.string(kind)
	w.text(`,"name":`)
	w.string(shortName(full))
	if space != sc.write {
		w.text(`,"namespace":`)
		w.string(space)
	}
	w.members(m, "doc")
	if kind == "record" || kind == "error" {
		if err := w.fields(m["fields"], scope{space, space}); err != nil {
			return fmt.Errorf("%s %s: %w", kind, full, err)
		}
	}
	w.members(m, "symbols", "size", "default")
	w.rest(m, "type", "name", "namespace", "doc", "fields", "symbols", "size", "default", "aliases")
	w.members(m, "aliases")
	w.text("}")
	return nil
}

func (w *schemaWriter) fields(v any, sc scope) error {
	fields, ok := v.([]any)
	if !ok {
		return errors.New(`"fields" must be a JSON array`)
	}
	w.text(`,"fields":[`)
	for i, f := range fields {
		if i > 0 {
			w.text(",")
		}
		field, ok := f.(map[string]any)
		if !ok {
			return fmt.Errorf("field %d must be a JSON object", i)
		}
		if err := w.field(field, sc); err != nil {
			return fmt.Errorf("field %s: %w", appendJSON(nil, field["name"]), err)
		}
	}
	w.text("]")
	return nil
}

func (w *schemaWriter) field(field map[string]any, sc scope) error {
	name, ok := field["name"].(string)
	if !ok {
		return errors.New(`"name" must be a string`)
	}
	w.text(`{"name":`)
	w.string(name)
	w.text(`,"type":`)
	if err := w.schema(field["type"], sc); err != nil {
		return err
	}
	w.members(field, "doc", "default")
	if field["order"] != "ascending" {
		w.members(field, "order")
	}
	w.members(field, "aliases")
	w.rest(field, "name", "type", "doc", "default", "order", "aliases")
	w.text("}")
	return nil
}

// members writes those of the named members that are there, in the order named.
func (w *schemaWriter) members(m map[string]any, names ...string) {
	for _, name := range names {
		if v, ok := m[name]; ok {
			w.text(",")
			w.string(name)
			w.text(":")
			w.out = appendJSON(w.out, v)
		}
	}
}

// rest writes every member but the named ones, in alphabetical order.
func (w *schemaWriter) rest(m map[string]any, but ...string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(but, name) {
			w.members(m, name)
		}
	}
}

func (w *schemaWriter) text(s string)   { w.out = append(w.out, s...) }
func (w *schemaWriter) string(s string) { w.out = appendString(w.out, s) }
