package importer

import (
	"errors"
	"fmt"
	"io"

	"github.com/refold/refold/schemas/api/bankv1"
)

// readBlock is how many rows Read takes at a time.
const readBlock = 500

// Read calls fn for every command that Run would send for a file, in that order, and sends none. It ends
// with the error of fn, with that of a row which cannot be read, and where the file cannot be read on.
func Read(format Format, file string, fn func(*bankv1.Command) error) error {
	src, err := openSource(&Config{Format: format, File: file})
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	f := newFlight(format.kind)
	for err == nil {
		b := src.block(readBlock)
		if err = f.pass(b.rows, fn); err == nil {
			err = b.err
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, src.close()); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
}

// pass gives the commands of rows away.
func (f *flight) pass(rows []row, fn func(*bankv1.Command) error) error {
	for _, r := range rows {
		if r.refusal != nil {
			return fmt.Errorf("line %d: %s: %s", r.line, r.refusal.reason, r.refusal.detail)
		}
		f.add(r)
		for len(f.ready) > 0 { // before an account's first row there is its opening
			c := f.ready[0]
			f.send(1)
			f.land(c)
			if err := fn(c.pb); err != nil {
				return err
			}
		}
	}
	return nil
}
