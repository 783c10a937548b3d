package projection

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
)

// Recorded returns the definition with a hash over the row schema and the scripts of a file system,
// testdata/*.txt of the projection's folder: what a fold made of the events in them is part of what it is. So
// a fold that makes other rows of them cannot pass for the one that made the rows of before. Lines of a script
// that begin with # are for people and do not count.
//
// Scripts are embedded; that there are none is a programmer's mistake.
func (d *Definition) Recorded(scripts fs.FS) *Definition {
	names, err := fs.Glob(scripts, "testdata/*.txt")
	if err != nil || len(names) == 0 {
		panic(fmt.Sprintf("projection %s: %d recorded scripts, %v", d.Name, len(names), err))
	}
	h := sha256.New()
	h.Write([]byte(d.RowHash))
	for _, name := range names {
		b, err := fs.ReadFile(scripts, name)
		if err != nil {
			panic(fmt.Sprintf("projection %s: %v", d.Name, err))
		}
		fmt.Fprintf(h, "\n%s\n", name)
		for line := range bytes.Lines(b) {
			if !bytes.HasPrefix(line, []byte("#")) {
				h.Write(bytes.TrimRight(line, "\r\n"))
				h.Write([]byte("\n"))
			}
		}
	}
	out := *d
	out.Hash = hex.EncodeToString(h.Sum(nil)[:8])
	return &out
}
