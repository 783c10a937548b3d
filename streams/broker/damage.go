package broker

import "fmt"

// DamageError says what is wrong with the log and where. It is never repaired: bring back the file, or give up what
// it held.
type DamageError struct {
	// File is the damaged file or folder.
	File string
	// At is the byte of the file where the damage begins.
	At int64
	// Offset is the log offset that is damaged or missing first, -1 where the file is not a partition's.
	Offset int64
	// Problem says what is wrong, as the end of a sentence that begins with the file.
	Problem string
}

func (e *DamageError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("%s is damaged at byte %d: it %s", e.File, e.At, e.Problem)
	}
	return fmt.Sprintf("%s is damaged at byte %d, offset %d: it %s", e.File, e.At, e.Offset, e.Problem)
}
