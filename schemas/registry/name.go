package registry

import (
	"fmt"
	"strings"
)

// primitive tells whether name is one of Avro's primitive types.
func primitive(name string) bool {
	switch name {
	case "null", "boolean", "int", "long", "float", "double", "bytes", "string":
		return true
	}
	return false
}

// namedKind tells whether a type of this kind has a name and can be referred to by it.
func namedKind(kind string) bool {
	switch kind {
	case "record", "error", "enum", "fixed":
		return true
	}
	return false
}

// complexKind tells whether kind is no type by itself but needs further attributes.
func complexKind(kind string) bool {
	return namedKind(kind) || kind == "array" || kind == "map"
}

// ownName is the full name that a definition gives its type, standing in namespace space.
func ownName(m map[string]any, space string) (string, error) {
	name, ok := m["name"].(string)
	if !ok || name == "" {
		return "", fmt.Errorf(`"name" must be a string in %s`, appendJSON(nil, m))
	}
	if own, ok := m["namespace"].(string); ok {
		space = own
	}
	return fullName(name, space), nil
}

// fullName is the name that is meant by name in namespace space: a name with a dot is full already.
func fullName(name, space string) string {
	if space == "" || strings.Contains(name, ".") {
		return name
	}
	return space + "." + name
}

// relativeName is the shortest way to write full in namespace space.
func relativeName(full, space string) string {
	if namespaceOf(full) == space {
		return shortName(full)
	}
	return full
}

func namespaceOf(full string) string {
	return full[:max(strings.LastIndexByte(full, '.'), 0)]
}

func shortName(full string) string {
	return full[strings.LastIndexByte(full, '.')+1:]
}

// definitions lists every named type that a schema defines, at any depth, by its full name. Whatever is no schema is
// passed over.
func definitions(schema any) map[string]definition {
	found := map[string]definition{}
	collect(found, schema, "")
	return found
}

func collect(into map[string]definition, v any, space string) {
	branches, _ := v.([]any)
	for _, branch := range branches {
		collect(into, branch, space)
	}
	m, _ := v.(map[string]any)
	switch kind, _ := m["type"].(string); {
	case kind == "array":
		collect(into, m["items"], space)
	case kind == "map":
		collect(into, m["values"], space)
	case namedKind(kind):
		full, err := ownName(m, space)
		if err != nil {
			return
		}
		into[full] = definition{node: m, space: space}
		fields, _ := m["fields"].([]any)
		for _, f := range fields {
			field, _ := f.(map[string]any)
			collect(into, field["type"], namespaceOf(full))
		}
	}
}
