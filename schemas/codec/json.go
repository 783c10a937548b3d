package codec

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// JSON decodes any record of any topic: the name of its schema and its fields as JSON, with times in
// RFC 3339 and bytes in hex. It knows nothing of this build's events; it is for looking, not for folding.
func (c *Codec) JSON(ctx context.Context, value []byte) (name string, fields json.RawMessage, err error) {
	s, err := c.Lookup(ctx, value)
	if err != nil {
		return "", nil, err
	}
	// The dynamic library makes room for as many items as an array says that it has, before it looks for them.
	// So what is damaged is refused by the other one first.
	var sound any
	if _, err := s.writer.Decode(value[headerSize:], &sound); err != nil {
		return s.Name, nil, fmt.Errorf("decode %s: %w", s.Name, err)
	}
	dynamic, err := s.dynamic()
	if err != nil {
		return s.Name, nil, fmt.Errorf("parse schema %d: %w", s.ID, err)
	}
	native, rest, err := dynamic.NativeFromBinary(value[headerSize:])
	if err != nil {
		return s.Name, nil, fmt.Errorf("decode %s: %w", s.Name, err)
	}
	if len(rest) != 0 {
		return s.Name, nil, fmt.Errorf("decode %s: %d bytes are left over", s.Name, len(rest))
	}
	fields, err = json.Marshal(readable(native))
	if err != nil {
		return s.Name, nil, fmt.Errorf("print %s: %w", s.Name, err)
	}
	return s.Name, fields, nil
}

func readable(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = readable(x)
		}
	case []any:
		for i, x := range v {
			v[i] = readable(x)
		}
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case []byte:
		return hex.EncodeToString(v)
	}
	return v
}
