package importer

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// maxLine is the longest line that is read, in bytes.
const maxLine = 64 << 10

// errLong says that a line is longer than maxLine.
var errLong = errors.New("the line is too long")

// lines cuts a text into lines and counts them.
//
// A quoted field does not go on in the next line, which CSV would allow: that way a quote that is never
// closed costs its own row and not all that follow, and every row has one line number.
type lines struct {
	reader *bufio.Reader
	number int
}

func newLines(r io.Reader) *lines { return &lines{reader: bufio.NewReaderSize(r, maxLine)} }

// next returns a line without its end. Of a line that is longer than maxLine it returns the beginning, with
// errLong, and drops the rest. What stands before any other error is not a line: nobody knows how it would
// have gone on. The error at the end of the text is io.EOF.
func (l *lines) next() (string, error) {
	b, err := l.reader.ReadSlice('\n')
	text := string(b)
	long := errors.Is(err, bufio.ErrBufferFull)
	if long {
		err = l.skip()
	}
	if err != nil && (!errors.Is(err, io.EOF) || text == "") {
		return "", err
	}
	l.number++
	if long {
		return text, errLong
	}
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r"), nil
}

// skip drops what is left of a line.
func (l *lines) skip() error {
	for {
		if _, err := l.reader.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}
