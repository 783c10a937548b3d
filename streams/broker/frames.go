package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// frames are the entries of one of kfake's append logs, each framed by length, checksum and version.
type frames struct {
	path    string
	entries [][]byte
	size    int64 // bytes of whole entries
	torn    bool  // more bytes follow them
}

const (
	frameHeader  = 10
	frameVersion = 2 // bytes of the version, which the length counts
)

// readFrames reads an append log of which so many bytes were promised. What is no entry behind those is what a crash
// left, and so is the beginning of one entry at the end; anything else that is no entry is damage, for kfake would
// forget all that follows.
func readFrames(path string, promised int64) (frames, error) {
	f := frames{path: path}
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	for len(raw) > 0 {
		entry := frame(raw)
		if entry == nil {
			break
		}
		if version := binary.LittleEndian.Uint16(entry); version > formatVersion {
			return f, fmt.Errorf("%s has entries of version %d, and this program reads up to version %d: use a newer one", path, version, formatVersion)
		}
		f.entries = append(f.entries, entry[frameVersion:])
		f.size += int64(frameHeader - frameVersion + len(entry))
		raw = raw[frameHeader-frameVersion+len(entry):]
	}
	f.torn = len(raw) > 0
	if f.size >= promised {
		return f, nil
	}
	for i := range raw {
		if isFrame(raw[i:]) {
			return f, &DamageError{File: path, At: f.size, Offset: -1, Problem: "has an entry that does not match its checksum"}
		}
	}
	return f, nil
}

// frame returns the version and data of the entry at the beginning of raw, nil if there is none.
func frame(raw []byte) []byte {
	if len(raw) < frameHeader {
		return nil
	}
	size := int64(binary.LittleEndian.Uint32(raw))
	if size < frameVersion || size > int64(len(raw)-8) {
		return nil
	}
	entry := raw[8 : 8+size]
	if checksum(entry) != binary.LittleEndian.Uint32(raw[4:]) {
		return nil
	}
	return entry
}

// isFrame tells whether an entry of the usual size begins here. Behind a torn one there is none.
func isFrame(raw []byte) bool {
	const usual = 64 << 10
	return len(raw) >= frameHeader && binary.LittleEndian.Uint32(raw) < usual && frame(raw) != nil
}

func appendFrame(dst, data []byte) []byte {
	entry := append(binary.LittleEndian.AppendUint16(nil, formatVersion), data...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(entry)))
	dst = binary.LittleEndian.AppendUint32(dst, checksum(entry))
	return append(dst, entry...)
}

// cutTail removes what is left of a torn entry: kfake would write on behind it, and forget all of that next time.
func (f frames) cutTail() error {
	if !f.torn {
		return nil
	}
	return truncate(f.path, f.size)
}
