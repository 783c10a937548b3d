package importer

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// FuzzFile reads any bytes as a file of every format: every line is a row or the end, every row a command or
// refused.
func FuzzFile(f *testing.F) {
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		f.Fatalf("got %d scripts, %v", len(scripts), err)
	}
	for _, path := range scripts {
		script, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		_, file, _ := bytes.Cut(script, []byte("\n"))
		f.Add(file)
	}
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, format := range formats() {
			s, err := openSource(&Config{Format: format, Source: bytes.NewReader(file)})
			if err != nil {
				continue
			}
			last := 1
			for {
				b := s.block(10)
				for _, r := range b.rows {
					if r.line <= last || (r.post == nil) == (r.refusal == nil) {
						t.Fatalf("%s: line %d after %d: got %v, %v, want a command or a refusal", format.name, r.line, last, r.post, r.refusal)
					}
					last = r.line
				}
				if b.err == nil {
					continue
				}
				if !errors.Is(b.err, io.EOF) && !errors.Is(b.err, io.ErrUnexpectedEOF) && b.err.Error() == "" {
					t.Errorf("got %v", b.err)
				}
				break
			}
		}
	})
}
