package projection

import (
	"fmt"
	"time"
)

// RowError is that a fold failed for one row. Other rows that the event touches may have been folded.
type RowError struct {
	// Key is the encoded key of the row.
	Key string
	// Position is that of the event, its offset where there is one source, and At when it was recorded.
	Position int64
	At       time.Time
	// Topic and Offset are where the event stands.
	Topic  string
	Offset int64
	Err    error
}

func (e *RowError) Error() string { return fmt.Sprintf("fold row %q: %v", e.Key, e.Err) }

func (e *RowError) Unwrap() error { return e.Err }
