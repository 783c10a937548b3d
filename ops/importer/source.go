package importer

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/refold/refold/schemas/api/bankv1"
)

// source reads a file of transactions row by row.
type source struct {
	format  Format
	name    string
	read    *counter
	total   int64
	close   func() error
	lines   *lines
	width   int
	columns []int
	fields  []string
	picked  []string
}

// row is one row of a file: the command that it became, or why it became none.
type row struct {
	line    int
	raw     string
	post    *bankv1.PostEntryRequest
	refusal *refusal
}

// block is some rows that follow each other.
type block struct {
	rows []row
	// bytes is how much of the file has been read.
	bytes int64
	// err is why no block follows: io.EOF at the end of the file.
	err error
}

// counter counts the bytes that are read through it.
type counter struct {
	reader io.Reader
	n      int64
}

// Read reads and counts.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.reader.Read(p)
	c.n += int64(n)
	return n, err
}

// openSource opens the file of a config and reads its header.
func openSource(c *Config) (*source, error) {
	s := &source{format: c.Format, name: c.File, read: &counter{reader: c.Source}, total: c.Size, close: func() error { return nil }}
	if c.Source == nil {
		if err := s.open(c.File); err != nil {
			return nil, err
		}
	}
	text, err := decompress(s.read)
	if err == nil {
		s.lines = newLines(text)
		err = s.readHeader()
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *source) open(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	if info, err := f.Stat(); err == nil {
		s.total = info.Size()
	}
	s.read.reader, s.close = f, f.Close
	return nil
}

// decompress returns the text of a file that may be compressed with gzip, which its first bytes tell.
func decompress(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	if magic, _ := b.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return b, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, fmt.Errorf("gzip header: %w", err)
	}
	return z, nil
}

// readHeader finds out where the columns of the format stand.
func (s *source) readHeader() error {
	text, err := s.lines.next()
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty")
	}
	if errors.Is(err, errLong) {
		return fmt.Errorf("line 1: %w", err)
	}
	if err != nil {
		return s.torn(err)
	}
	header, bad := split(strings.TrimPrefix(text, "\ufeff"), nil)
	if bad != nil {
		return fmt.Errorf("line 1 is not a header: %s", bad.detail)
	}
	var missing, double []string
	for _, column := range s.format.columns {
		at := slices.Index(header, column)
		if at < 0 {
			missing = append(missing, column)
		} else if slices.Contains(header[at+1:], column) {
			double = append(double, column)
		}
		s.columns = append(s.columns, at)
	}
	if missing != nil || double != nil {
		return fmt.Errorf("the header does not fit format %s: missing columns: %s; columns that occur twice: %s", s.format.name, list(missing), list(double))
	}
	s.width = len(header)
	s.picked = make([]string, len(s.columns))
	return nil
}

func list(names []string) string { return cmp.Or(strings.Join(names, ", "), "none") }

// start reads the file in a goroutine of its own, in blocks of n rows. The last block carries an error.
// The function that it returns ends the reading, waits for it and closes the file.
func (s *source) start(n int) (<-chan block, func() error) {
	blocks, done, stopped := make(chan block, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			b := s.block(n)
			select {
			case blocks <- b:
			case <-done:
				return
			}
			if b.err != nil {
				return
			}
		}
	}()
	return blocks, func() error {
		close(done)
		err := s.close()
		<-stopped
		return err
	}
}

func (s *source) block(n int) block {
	b := block{rows: make([]row, 0, n)}
	for len(b.rows) < n && b.err == nil {
		text, err := s.lines.next()
		switch {
		case errors.Is(err, io.EOF):
			b.err = err
		case errors.Is(err, errLong):
			b.rows = append(b.rows, row{line: s.lines.number, raw: text, refusal: refuse(reasonMalformed, "the line is longer than %d bytes; the rest of it is not kept here", maxLine)})
		case err != nil:
			b.err = s.torn(err)
		case text != "":
			post, bad := s.post(text)
			b.rows = append(b.rows, row{line: s.lines.number, raw: text, post: post, refusal: bad})
		}
	}
	b.bytes = s.read.n
	return b
}

// torn says where a file could not be read on.
func (s *source) torn(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("line %d: the compressed data ends in the middle: %w", s.lines.number+1, err)
	}
	return fmt.Errorf("line %d: %w", s.lines.number+1, err)
}

// post turns a line into a command.
func (s *source) post(text string) (*bankv1.PostEntryRequest, *refusal) {
	var bad *refusal
	if s.fields, bad = split(text, s.fields[:0]); bad != nil {
		return nil, bad
	}
	if len(s.fields) != s.width {
		return nil, refuse(reasonMalformed, "%d fields, where the header has %d", len(s.fields), s.width)
	}
	for i, at := range s.columns {
		s.picked[i] = s.fields[at]
	}
	post, bad := s.format.post(s.picked)
	if bad != nil {
		return nil, bad
	}
	return post, checkLimits(post)
}
