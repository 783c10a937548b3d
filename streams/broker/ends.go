package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ends says up to where each log was on disk when clients were last told something. What lies below was promised, so
// a flaw there is damage; what lies behind was promised to nobody.
type ends struct {
	partitions map[[16]byte][]int64 // by topic id and partition: the offset of the end
	producers  int64                // bytes of pids.log
	groups     int64                // bytes of groups.log
}

// of returns the end of a partition, zero where none was recorded.
func (e ends) of(topic [16]byte, partition int32) int64 {
	if ends := e.partitions[topic]; int(partition) < len(ends) {
		return ends[partition]
	}
	return 0
}

// ends.bin has two slots of equal size, written in turn and in place: a crash can spoil the one that is being written,
// and the other has what was promised by then. A slot is a frame of its number, the sizes of the two logs, and for
// each topic its id, the number of its partitions and their ends, all in big endian.
type endsWriter struct {
	file   *os.File
	path   string
	number uint64
	slot   int64
	buf    []byte
}

// minSlot is how long a slot is in a new file; it grows with the partitions.
const minSlot = 16 << 10

func encodeEnds(dst []byte, number uint64, e ends) []byte {
	dst = binary.BigEndian.AppendUint64(dst, number)
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.producers))
	dst = binary.BigEndian.AppendUint64(dst, uint64(e.groups))
	for id, ends := range e.partitions {
		dst = append(dst, id[:]...)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(ends)))
		for _, end := range ends {
			dst = binary.BigEndian.AppendUint64(dst, uint64(end))
		}
	}
	return dst
}

// decodeEnds reads what encodeEnds wrote; the checksum of the frame has been verified.
func decodeEnds(raw []byte) (number uint64, e ends, ok bool) {
	if len(raw) < 24 {
		return 0, ends{}, false
	}
	next := func() uint64 {
		v := binary.BigEndian.Uint64(raw)
		raw = raw[8:]
		return v
	}
	number = next()
	e = ends{partitions: map[[16]byte][]int64{}, producers: int64(next()), groups: int64(next())}
	for len(raw) >= 20 {
		id, n := [16]byte(raw), int(binary.BigEndian.Uint32(raw[16:]))
		if raw = raw[20:]; n > len(raw)/8 {
			return 0, ends{}, false
		}
		list := make([]int64, n)
		for i := range list {
			list[i] = int64(next())
		}
		e.partitions[id] = list
	}
	return number, e, len(raw) == 0
}

// readEnds returns what was promised last, nothing where there is no such file.
func readEnds(dir string) (ends, error) {
	path := filepath.Join(dir, endsFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return ends{partitions: map[[16]byte][]int64{}}, nil
	}
	if err != nil {
		return ends{}, err
	}
	best, newest := ends{}, uint64(0)
	for _, slot := range [][]byte{raw[:len(raw)/2], raw[len(raw)/2:]} {
		entry := frame(slot)
		if entry == nil {
			continue
		}
		if version := binary.LittleEndian.Uint16(entry); version > formatVersion {
			return ends{}, fmt.Errorf("%s is of version %d, and this program reads up to version %d: use a newer one", path, version, formatVersion)
		}
		if number, e, ok := decodeEnds(entry[frameVersion:]); ok && number > newest {
			best, newest = e, number
		}
	}
	if newest == 0 {
		return ends{}, &DamageError{File: path, Offset: -1, Problem: "has no slot that can be read"}
	}
	return best, nil
}

// writeEnds makes the file anew and returns what writes on.
func writeEnds(dir string, e ends) (*endsWriter, error) {
	w := &endsWriter{path: filepath.Join(dir, endsFile), number: 1}
	if err := w.renew(e); err != nil {
		return nil, fmt.Errorf("save %s: %w", w.path, err)
	}
	return w, nil
}

// renew replaces the file by one with room for twice what there is.
func (w *endsWriter) renew(e ends) error {
	w.buf = appendFrame(w.buf[:0], encodeEnds(nil, w.number, e))
	w.slot = max(minSlot, int64(2*len(w.buf)))
	raw := make([]byte, 2*w.slot)
	copy(raw[int64(w.number%2)*w.slot:], w.buf)
	if err := replaceFile(w.path, raw); err != nil {
		return err
	}
	if w.file != nil {
		if err := w.file.Close(); err != nil {
			return err
		}
	}
	var err error
	w.file, err = os.OpenFile(w.path, os.O_WRONLY, 0)
	return err
}

// save returns when the ends are on disk.
func (w *endsWriter) save(e ends) error {
	w.number++
	w.buf = appendFrame(w.buf[:0], encodeEnds(nil, w.number, e))
	var err error
	if int64(len(w.buf)) > w.slot {
		err = w.renew(e)
	} else if _, err = w.file.WriteAt(w.buf, int64(w.number%2)*w.slot); err == nil {
		err = syncData(w.file)
	}
	if err != nil {
		return fmt.Errorf("save %s: %w", w.path, err)
	}
	return nil
}

func (w *endsWriter) close() error { return w.file.Close() }
