package projection

import "fmt"

// Peek returns the present row of a key, held in memory or not; nil where there is none. It is for folds
// that run ahead of the stored rows, and decide by them: unlike Stored it encodes nothing.
//
// F must be a folder of a projection of R. The row is valid until the folder's next call, and must not be
// changed.
func Peek[R any](f Folder, k Key) (*R, error) {
	t, ok := f.(*folder[R])
	if !ok {
		return nil, fmt.Errorf("peek at row %v: %T does not hold rows of %T", k, f, *new(R))
	}
	t.buf = append(append(append(t.buf[:0], k.Partition...), 0), k.Sort...)
	s, err := t.rows.row(t.buf, false)
	if err != nil || s.offset < 0 {
		return nil, err
	}
	return &s.row, nil
}
