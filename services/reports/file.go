package reports

import (
	"bytes"
	"errors"

	"google.golang.org/genproto/googleapis/api/httpbody"

	"github.com/refold/refold/schemas/table"
	"github.com/refold/refold/services/query"
)

// maxFile bounds a file that is answered in one piece, in bytes of CSV whatever its format, so that it fits into a
// message.
const maxFile = 3 << 20

// fileOf returns what is written as a file. One that is too large is a span that ends too late.
func fileOf[R any](f table.Format, write func(*table.Writer[R]) error) (*httpbody.HttpBody, error) {
	var out bytes.Buffer
	w, err := table.New[R](&out, table.Config{Format: f, MaxBytes: maxFile})
	if err != nil {
		return nil, err
	}
	err = write(w)
	if errors.Is(err, table.ErrTooLarge) {
		return nil, query.Wrong(query.ReasonMalformed, "to", "must be earlier: the file would be larger than 3 MiB")
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return &httpbody.HttpBody{ContentType: f.MediaType(), Data: out.Bytes()}, nil
}
