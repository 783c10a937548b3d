// Package codec turns events into the values of records and back, in Confluent's wire format: a zero
// byte, the schema's id as four big-endian bytes, the Avro body.
//
// A value is always read with the schema that it was written with, resolved to the schema of this build:
// fields that the writer did not have get their defaults, fields that it had and we do not are skipped.
// Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html
package codec

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/avro"

	"github.com/refold/refold/schemas/event"
)

// ErrNotWireFormat is wrapped where a value does not begin with a zero byte and a schema id.
var ErrNotWireFormat = errors.New("value is not in the registry's wire format")

// ErrNoSchema is wrapped where there is no schema of an id, and never was: the value is not ours.
var ErrNoSchema = errors.New("there is no such schema")

// ErrRegistry is wrapped where the registry could not be asked. Try again.
var ErrRegistry = errors.New("the schema registry cannot be asked")

const headerSize = 5

// Registry is where schemas get their ids. Both methods may be called concurrently.
type Registry interface {
	// Register returns the id of the schema under the subject, registering it where it is new.
	Register(ctx context.Context, subject, schema string) (int, error)
	// SchemaByID returns the schema text of an id, and ErrNoSchema where there is none; every other error
	// is taken to be a passing one.
	SchemaByID(ctx context.Context, id int) (string, error)
}

// Codec encodes and decodes events. It may be used concurrently; schemas are looked up once.
type Codec struct {
	registry Registry

	mu      sync.RWMutex
	schemas map[int]*Schema // guarded by mu
}

// New returns a codec over a registry.
func New(r Registry) *Codec {
	return &Codec{registry: r, schemas: make(map[int]*Schema)}
}

// Schema is a writer's schema as this build reads it.
type Schema struct {
	// ID is the registry's id.
	ID int
	// Name is the full name of the record, such as bank.EntryPosted.
	Name string
	// Text is the schema as it was registered.
	Text string

	writer   *avro.Schema                 // as it was registered
	reader   *avro.Schema                 // this build's event, or as it was registered where it is none
	resolved func() (*avro.Schema, error) // the writer's to the reader's
	dynamic  func() (*goavro.Codec, error)
}

// Subject names the subject of an event in a topic, by Confluent's TopicRecordName strategy.
func Subject(topic, name string) string { return topic + "-" + name }

// Lookup returns the schema that value was written with. It fails with ErrNotWireFormat, or with what
// the registry says of an id that it does not know.
func (c *Codec) Lookup(ctx context.Context, value []byte) (*Schema, error) {
	id, err := SchemaID(value)
	if err != nil {
		return nil, err
	}
	return c.ByID(ctx, id)
}

// ByID returns the schema of an id.
func (c *Codec) ByID(ctx context.Context, id int) (*Schema, error) {
	c.mu.RLock()
	s := c.schemas[id]
	c.mu.RUnlock()
	if s != nil {
		return s, nil
	}
	text, err := c.registry.SchemaByID(ctx, id)
	if err != nil {
		if !errors.Is(err, ErrNoSchema) {
			err = fmt.Errorf("%w: %w", ErrRegistry, err)
		}
		return nil, fmt.Errorf("look up schema %d: %w", id, err)
	}
	if s, err = resolve(id, text); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.schemas[id] = s
	return s, nil
}

func resolve(id int, text string) (*Schema, error) {
	writer, err := avro.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse schema %d: %w", id, err)
	}
	root := writer.Root()
	s := &Schema{ID: id, Name: fullName(root), Text: text, writer: writer, reader: writer}
	s.dynamic = sync.OnceValues(func() (*goavro.Codec, error) { return goavro.NewCodec(text) })
	if ours := event.Schema(s.Name); ours != "" {
		if s.reader, err = avro.Parse(ours); err != nil {
			return nil, fmt.Errorf("parse %s: %w", s.Name, err)
		}
	}
	s.resolved = sync.OnceValues(s.resolve)
	return s, nil
}

func (s *Schema) resolve() (*avro.Schema, error) {
	if s.reader == s.writer {
		return s.writer, nil
	}
	resolved, err := avro.Resolve(s.writer, s.reader)
	if err != nil {
		return nil, fmt.Errorf("resolve schema %d to %s: %w", s.ID, s.Name, err)
	}
	return resolved, nil
}

func fullName(n *avro.SchemaNode) string {
	if n.Namespace == "" {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}

// SchemaID returns the schema id that value begins with.
func SchemaID(value []byte) (int, error) {
	if len(value) < headerSize || value[0] != 0 {
		return 0, fmt.Errorf("%w: %d bytes", ErrNotWireFormat, len(value))
	}
	return int(binary.BigEndian.Uint32(value[1:headerSize])), nil
}

// Decode fills out, a pointer to a struct, from value, copying what it keeps. The struct may name any
// part of the event's fields.
func (s *Schema) Decode(value []byte, out any) error {
	return s.decode(value, out, avro.SkipUnknown())
}

// View is Decode without copies: strings and byte slices of out point into value and live as long as it.
func (s *Schema) View(value []byte, out any) error {
	return s.decode(value, out, avro.SkipUnknown(), avro.AliasInput())
}

func (s *Schema) decode(value []byte, out any, opts ...avro.Opt) error {
	resolved, err := s.resolved()
	if err != nil {
		return err
	}
	rest, err := resolved.Decode(value[headerSize:], out, opts...)
	if err != nil {
		return fmt.Errorf("decode %s: %w", s.Name, err)
	}
	if len(rest) != 0 {
		return fmt.Errorf("decode %s: %d bytes are left over", s.Name, len(rest))
	}
	return nil
}

// Encoder encodes one event for one topic. It may be used concurrently.
type Encoder struct {
	id     int
	name   string
	schema *avro.Schema
}

// Encoder registers the event's schema for the topic and returns its encoder.
func (c *Codec) Encoder(ctx context.Context, topic, name string) (*Encoder, error) {
	text := event.Schema(name)
	schema, err := avro.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	id, err := c.registry.Register(ctx, Subject(topic, name), text)
	if err != nil {
		return nil, fmt.Errorf("register %s: %w", Subject(topic, name), err)
	}
	return &Encoder{id: id, name: name, schema: schema}, nil
}

// Append appends the value of v to dst: a pointer to the event's struct, or a map of its fields by name,
// where those that are left out get their defaults.
func (e *Encoder) Append(dst []byte, v any) ([]byte, error) {
	dst = append(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(e.id))
	dst, err := e.schema.AppendEncode(dst, v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", e.name, err)
	}
	return dst, nil
}
