package codec

import (
	"context"
	"fmt"
	"sync"
)

// Local is a registry in memory, for tests and tools that share nothing: it gives ids and checks nothing.
// The zero value is ready to use, concurrently.
type Local struct {
	mu      sync.Mutex
	schemas []string // guarded by mu; the id is the index plus one
}

// Register implements Registry.
func (l *Local) Register(_ context.Context, _, schema string) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, s := range l.schemas {
		if s == schema {
			return i + 1, nil
		}
	}
	l.schemas = append(l.schemas, schema)
	return len(l.schemas), nil
}

// SchemaByID implements Registry.
func (l *Local) SchemaByID(_ context.Context, id int) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id < 1 || id > len(l.schemas) {
		return "", fmt.Errorf("schema %d: %w", id, ErrNoSchema)
	}
	return l.schemas[id-1], nil
}
