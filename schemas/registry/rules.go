package registry

import (
	"cmp"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/avro"
)

// Compatibility is how a new schema of a subject must relate to the earlier ones. Backward: the new schema reads what
// was written with the earlier. Forward: the earlier schema reads what is written with the new one. Full: both. The
// earlier schema is the latest version of the subject that is not deleted, or, transitively, each of them.
type Compatibility string

// The compatibility levels of Confluent's registry.
const (
	None               Compatibility = "NONE"
	Backward           Compatibility = "BACKWARD"
	BackwardTransitive Compatibility = "BACKWARD_TRANSITIVE"
	Forward            Compatibility = "FORWARD"
	ForwardTransitive  Compatibility = "FORWARD_TRANSITIVE"
	Full               Compatibility = "FULL"
	FullTransitive     Compatibility = "FULL_TRANSITIVE"
)

func (c Compatibility) valid() bool {
	return c == None || c.backward() || c.forward()
}

func (c Compatibility) backward() bool {
	return c == Backward || c == BackwardTransitive || c == Full || c == FullTransitive
}

func (c Compatibility) forward() bool {
	return c == Forward || c == ForwardTransitive || c == Full || c == FullTransitive
}

func (c Compatibility) transitive() bool {
	return c == BackwardTransitive || c == ForwardTransitive || c == FullTransitive
}

// avroSchema is a schema that obeys Avro's rules, with every referenced type in its place.
type avroSchema struct {
	parsed *avro.Schema
	root   any
	types  map[string]definition
}

// parseSchema checks a text without references against all of Avro's rules: names, defaults that fit their type, enum
// symbols, unions, sizes.
func parseSchema(text string) (*avroSchema, error) {
	parsed, err := avro.Parse(text)
	if err != nil {
		return nil, err
	}
	root, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	return &avroSchema{parsed: parsed, root: root, types: definitions(root)}, nil
}

// canRead tells why data written with writer cannot be read with reader, by Avro's rules of schema resolution and by
// resolveStrictly's, or nil.
func canRead(reader, writer *avroSchema) error {
	err := avro.CheckCompatibility(writer.parsed, reader.parsed)
	var detail *avro.CompatibilityError
	if errors.As(err, &detail) {
		return fmt.Errorf("at %s: %s (reader: %s, writer: %s)", detail.Path, detail.Detail,
			cmp.Or(detail.ReaderType, "nothing"), cmp.Or(detail.WriterType, "nothing"))
	}
	if err != nil {
		return err
	}
	return resolveStrictly(reader, writer)
}

// rules holds the parsed form of schemas by their id, which never changes its meaning. It may be used concurrently.
type rules struct {
	mu     sync.Mutex
	parsed map[int]*avroSchema // guarded by mu
}

// succession is the question whether a schema may follow earlier versions under a compatibility level.
type succession struct {
	schema  *avroSchema
	level   Compatibility
	earlier []version
}

// obstacles lists what stands against a succession; nothing is a yes.
func (r *rules) obstacles(st *state, q succession) ([]string, error) {
	if q.level == None {
		return nil, nil
	}
	if !q.level.transitive() && len(q.earlier) > 1 {
		q.earlier = q.earlier[len(q.earlier)-1:]
	}
	var reasons []string
	for _, v := range q.earlier {
		old, err := r.schema(st, v.schema)
		if err != nil {
			return nil, err
		}
		reasons = append(reasons, q.conflicts(old, v.number)...)
	}
	return reasons, nil
}

func (q succession) conflicts(old *avroSchema, number int) (reasons []string) {
	if q.level.backward() {
		if err := canRead(q.schema, old); err != nil {
			reasons = append(reasons, fmt.Sprintf("the new schema cannot read data written with version %d: %v", number, err))
		}
	}
	if q.level.forward() {
		if err := canRead(old, q.schema); err != nil {
			reasons = append(reasons, fmt.Sprintf("version %d cannot read data written with the new schema: %v", number, err))
		}
	}
	return reasons
}

// schema parses a registered schema. That it fails means that this release is stricter than the one that took it.
func (r *rules) schema(st *state, s *schema) (*avroSchema, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.parsed[s.id]; ok {
		return p, nil
	}
	text, err := st.resolve(s.text, s.references)
	if err != nil {
		return nil, refuse(codeStore, "Schema %d cannot be read: %v.", s.id, err)
	}
	p, err := parseSchema(text)
	if err != nil {
		return nil, refuse(codeStore, "Schema %d cannot be read: %v.", s.id, err)
	}
	r.parsed[s.id] = p
	return p, nil
}
