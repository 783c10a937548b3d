package timeline

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// decompressed returns the records of a batch in plain.
func (w *walker) decompressed(b []byte, codec int16) ([]byte, error) {
	if kgo.CompressionCodecType(codec) == kgo.CodecLz4 {
		if plain, err := unframe(b, w.plain[:0]); err == nil {
			w.plain = plain
			return plain, nil
		}
	}
	return w.decompress.Decompress(b, kgo.CompressionCodecType(codec))
}

// errFrame says that a frame is not one that is read here.
var errFrame = errors.New("the frame is of another kind")

// Of a frame: its beginning, and bits of its first byte.
const (
	frameMagic         = 0x184D2204
	frameIndependent   = 1 << 5
	frameBlockChecksum = 1 << 4
	frameSize          = 1 << 3
	frameChecksum      = 1 << 2
	frameDictionary    = 1 << 0
)

// unframe appends what an lz4 frame of independent blocks holds to dst, block by block, without a reader and its buffers between. Its
// checksums are not looked at: those of the batch were.
// Source: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
func unframe(b, dst []byte) ([]byte, error) {
	if len(b) < 7 || binary.LittleEndian.Uint32(b) != frameMagic || b[4]&frameDictionary != 0 || b[4]&frameIndependent == 0 {
		return nil, errFrame
	}
	flags, most := b[4], blockBytes(b[5])
	b = b[6:]
	if flags&frameSize != 0 {
		b = b[min(8, len(b)):]
	}
	b = b[min(1, len(b)):]
	for len(b) >= 4 {
		size := binary.LittleEndian.Uint32(b)
		b = b[4:]
		if size == 0 {
			return ended(b, dst, flags)
		}
		data := size &^ (1 << 31)
		if uint64(data) > uint64(len(b)) || most == 0 {
			return nil, errFrame
		}
		var err error
		if dst, err = block(b[:data], dst, size == data, most); err != nil {
			return nil, err
		}
		b = b[data:]
		if flags&frameBlockChecksum != 0 {
			b = b[min(4, len(b)):]
		}
	}
	return nil, errFrame
}

// blockBytes is the most that a block of a frame holds.
func blockBytes(descriptor byte) int {
	n := descriptor >> 4 & 7
	if n < 4 {
		return 0
	}
	return 1 << (8 + 2*n)
}

// ended returns dst where a frame has ended and nothing follows it.
func ended(b, dst []byte, flags byte) ([]byte, error) {
	rest := 0
	if flags&frameChecksum != 0 {
		rest = 4
	}
	if len(b) != rest {
		return nil, errFrame
	}
	return dst, nil
}

// block appends one block.
func block(b, dst []byte, compressed bool, most int) ([]byte, error) {
	if !compressed {
		return append(dst, b...), nil
	}
	dst = slices.Grow(dst, most)
	n, err := lz4.UncompressBlock(b, dst[len(dst):len(dst)+most])
	if err != nil {
		return nil, err
	}
	return dst[:len(dst)+n], nil
}
