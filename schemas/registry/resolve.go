package registry

import (
	"bytes"
	"fmt"
)

// resolve writes a schema text with the definition of every type that its references bring where the text first names
// it, so that it can be read without the registry.
func (s *state) resolve(text string, references []reference) (string, error) {
	if len(references) == 0 {
		return text, nil
	}
	known := map[string]definition{}
	if err := s.gather(known, references, map[int]bool{}); err != nil {
		return "", err
	}
	return inline(text, known)
}

// gather collects the types that the referenced schemas define, and those that these in turn refer to.
func (s *state) gather(known map[string]definition, references []reference, seen map[int]bool) error {
	for _, r := range references {
		if seen[r.id] {
			continue
		}
		seen[r.id] = true
		sch := s.schemas[r.id]
		root, err := parseJSON(sch.text)
		if err != nil {
			return fmt.Errorf("reference %q: %w", r.Name, err)
		}
		for name, def := range definitions(root) {
			if other, ok := known[name]; ok && !sameDefinition(other, def) {
				return fmt.Errorf("type %s is defined differently by two references, one of them %q", name, r.Name)
			}
			known[name] = def
		}
		if err := s.gather(known, sch.references, seen); err != nil {
			return err
		}
	}
	return nil
}

func sameDefinition(a, b definition) bool {
	return a.space == b.space && bytes.Equal(appendJSON(nil, a.node), appendJSON(nil, b.node))
}
