package registry

import (
	"fmt"
	"slices"
)

// resolveStrictly checks two schemas that avro.CheckCompatibility lets pass for three things that it does not mind,
// because the avro package decodes such data, but that other readers do mind or get wrong:
//   - A field ["null", T] without a default that the writer lacks. The package reads null; by the specification the
//     field has no default, and the data cannot be read.
//   - A named type whose alias without a namespace is found in another namespace. By the specification an alias is
//     in the namespace of its type.
//   - Two different logical types of one value. They are not part of resolution, except for decimals, but a
//     timestamp-millis that is read as a timestamp-micros is wrong by a factor of 1000. A logical type that only one
//     side has, or that Avro does not define, is no difference: it says nothing about how the value is read.
func resolveStrictly(reader, writer *avroSchema) error {
	c := resolution{reader: reader, writer: writer, seen: map[[2]string]bool{}}
	return c.compare(place{node: reader.root}, place{node: writer.root}, rootPath)
}

type resolution struct {
	reader, writer *avroSchema
	seen           map[[2]string]bool // pairs of full names that were compared, so that a recursive type ends
}

// place is a schema within a schema, and the namespace around it.
type place struct {
	node  any
	space string
}

func (c *resolution) compare(r, w place, path string) error {
	r, w = r.resolve(c.reader.types), w.resolve(c.writer.types)
	if branches, ok := w.node.([]any); ok {
		for _, branch := range branches {
			if err := c.compare(r, place{branch, w.space}, path); err != nil {
				return err
			}
		}
		return nil
	}
	if _, ok := r.node.([]any); ok {
		return c.compareBranch(r, w, path)
	}
	if namedKind(r.kind()) && !r.isSame(w) {
		return fmt.Errorf("at %s: the names do not match (reader: %s, writer: %s)", path, r.name(), w.name())
	}
	if a, b := r.logical(), w.logical(); a != "" && b != "" && a != b {
		return fmt.Errorf("at %s: the logical types differ (reader: %s, writer: %s)", path, a, b)
	}
	pair := [2]string{r.name(), w.name()}
	if pair[0] != "" && c.seen[pair] {
		return nil
	}
	c.seen[pair] = true
	return c.compareParts(r, w, path)
}

// compareBranch compares w with the branch of the reader's union that takes it: one of the same full name before one of
// the same type, and that before one that it can be promoted to.
func (c *resolution) compareBranch(union, w place, path string) error {
	branches, _ := union.node.([]any)
	for _, takes := range []func(r, w place) bool{place.isEqual, place.isSame, place.isWider} {
		for _, branch := range branches {
			if b := (place{branch, union.space}).resolve(c.reader.types); takes(b, w) {
				return c.compare(b, w, path)
			}
		}
	}
	if namedKind(w.kind()) {
		return fmt.Errorf("at %s: the reader's union has no branch of this name (writer: %s)", path, w.name())
	}
	return nil // a promotion between string and bytes, which have no parts
}

func (c *resolution) compareParts(r, w place, path string) error {
	for _, part := range []string{"items", "values"} {
		a, inReader := r.member(part)
		b, inWriter := w.member(part)
		if inReader && inWriter {
			if err := c.compare(place{a, r.space}, place{b, w.space}, fieldPath(path, part)); err != nil {
				return err
			}
		}
	}
	for _, field := range r.fields() {
		other := field.match(w.fields())
		if _, hasDefault := field["default"]; other == nil && !hasDefault {
			return fmt.Errorf("at %s: the reader's field has no default and is missing from the writer", fieldPath(path, field.name()))
		}
		if other == nil {
			continue
		}
		if err := c.compare(field.schema(r), other.schema(w), fieldPath(path, field.name())); err != nil {
			return err
		}
	}
	return nil
}

// rootPath stands for the schema itself in the path of a conflict, as it does in those of the avro package.
const rootPath = "(root)"

func fieldPath(path, part string) string {
	if path == rootPath {
		return part
	}
	return path + "." + part
}

// resolve replaces a name by the definition it stands for.
func (p place) resolve(types map[string]definition) place {
	name, ok := p.node.(string)
	if !ok || primitive(name) {
		return p
	}
	def, ok := types[fullName(name, p.space)]
	if !ok {
		def = types[name]
	}
	return place{def.node, def.space}
}

func (p place) member(name string) (any, bool) {
	m, _ := p.node.(map[string]any)
	v, ok := m[name]
	return v, ok
}

func (p place) kind() string {
	if name, ok := p.node.(string); ok {
		return name
	}
	kind, _ := p.member("type")
	if kind == "error" {
		return "record"
	}
	name, _ := kind.(string)
	return name
}

func (p place) name() string {
	m, _ := p.node.(map[string]any)
	if !namedKind(p.kind()) {
		return ""
	}
	full, _ := ownName(m, p.space)
	return full
}

func (p place) logical() string {
	v, _ := p.member("logicalType")
	switch name, _ := v.(string); name {
	case "decimal", "big-decimal", "uuid", "date", "duration", "time-millis", "time-micros",
		"timestamp-millis", "timestamp-micros", "timestamp-nanos",
		"local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos":
		return name
	}
	return ""
}

func (p place) isEqual(w place) bool {
	return p.kind() == w.kind() && p.name() == w.name()
}

// isSame tells whether p is of the type that w has: of the same kind and, if that has a name, of the same name
// without its namespace, or with an alias of w's full name.
func (p place) isSame(w place) bool {
	if p.kind() != w.kind() || !namedKind(p.kind()) {
		return p.kind() == w.kind()
	}
	v, _ := p.member("aliases")
	aliases, _ := v.([]any)
	return shortName(p.name()) == shortName(w.name()) || slices.ContainsFunc(aliases, func(v any) bool {
		alias, _ := v.(string)
		return fullName(alias, namespaceOf(p.name())) == w.name()
	})
}

// isWider tells whether a number written as w is promoted when it is read as p.
func (p place) isWider(w place) bool {
	numbers := []string{"int", "long", "float", "double"}
	from := slices.Index(numbers, w.kind())
	return from >= 0 && slices.Index(numbers, p.kind()) > from
}

// fields lists the fields of a record.
func (p place) fields() []recordField {
	v, _ := p.member("fields")
	list, _ := v.([]any)
	var fields []recordField
	for _, f := range list {
		field, _ := f.(map[string]any)
		fields = append(fields, field)
	}
	return fields
}

type recordField map[string]any

func (f recordField) name() string {
	name, _ := f["name"].(string)
	return name
}

// match finds the field of the writer that f, a field of the reader, takes its value from.
func (f recordField) match(writer []recordField) recordField {
	for _, w := range writer {
		if w.name() == f.name() {
			return w
		}
	}
	aliases, _ := f["aliases"].([]any)
	for _, w := range writer {
		if slices.Contains(aliases, any(w.name())) {
			return w
		}
	}
	return nil
}

// schema is the schema of a field of record p. A logical type written beside a primitive type's name counts as the
// type's, as it does for the codec.
func (f recordField) schema(p place) place {
	space := namespaceOf(p.name())
	if name, ok := f["type"].(string); ok && primitive(name) && f["logicalType"] != nil {
		return place{map[string]any{"type": name, "logicalType": f["logicalType"]}, space}
	}
	return place{f["type"], space}
}
