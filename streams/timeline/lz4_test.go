package timeline

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/pierrec/lz4/v4"
)

// framed compresses a text with options of the writer that brokers and clients may use.
func framed(t *testing.T, plain []byte, opts ...lz4.Option) []byte {
	t.Helper()
	var b bytes.Buffer
	w := lz4.NewWriter(&b)
	if err := w.Apply(opts...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnframe(t *testing.T) {
	var plain []byte
	for i := range 40_000 {
		plain = fmt.Append(plain, i, " ", i%7)
	}
	for name, opts := range map[string][]lz4.Option{
		"as it is":            nil,
		"small blocks":        {lz4.BlockSizeOption(lz4.Block64Kb)},
		"with all checksums":  {lz4.BlockChecksumOption(true), lz4.ChecksumOption(true), lz4.BlockSizeOption(lz4.Block64Kb)},
		"without a checksum":  {lz4.ChecksumOption(false)},
		"with its size first": {lz4.SizeOption(uint64(len(plain)))},
	} {
		b := framed(t, plain, opts...)
		got, err := unframe(b, []byte("before"))
		if want := append([]byte("before"), plain...); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %d bytes, %v, want %d", name, len(got), err, len(want))
		}
		for _, n := range []int{0, 3, 6, 7, 10, len(b) / 2, len(b) - 1} {
			if got, err := unframe(b[:n], nil); err == nil {
				t.Errorf("%s, cut to %d of %d bytes: got %d bytes", name, n, len(b), len(got))
			}
		}
		if _, err := unframe(append(b, b...), nil); err == nil {
			t.Errorf("%s: two frames are taken for one", name)
		}
	}
	incompressible := []byte("0123456789abcdef")
	if got, err := unframe(framed(t, incompressible), nil); err != nil || !bytes.Equal(got, incompressible) {
		t.Errorf("a block that is not compressed: got %q, %v", got, err)
	}
}
