package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzSegment checks any bytes as the segment and the index of a partition, with the checksums of their batches
// made right or left as they are: what is accepted is sound for good once it is repaired, and what is refused is
// named.
func FuzzSegment(f *testing.F) {
	records := kmsg.RecordBatch{Magic: batchMagic, Attributes: attrTxn, ProducerID: 5, NumRecords: 1, Records: []byte{0}}
	end := marker(5, 0)
	end.FirstOffset = 1
	f.Add(append(encode(&records), encode(&end)...), append(indexEntry(records), indexEntry(end)...), true)
	f.Add(encode(&records), indexEntry(records), true)
	f.Add(encode(&records), []byte{}, false)
	f.Add([]byte{}, []byte{0}, false)
	f.Fuzz(func(t *testing.T, data, index []byte, sum bool) {
		dir := t.TempDir()
		if sum {
			data = summed(data)
		}
		writeFile(t, segmentPath(dir, 0, segmentSuffix), data)
		writeFile(t, segmentPath(dir, 0, indexSuffix), index)
		p := &partition{topic: topicName, dir: dir}
		if err := p.scan(t.Context()); err != nil {
			var damage *DamageError
			if !errors.As(err, &damage) || damage.At < 0 || damage.At > int64(max(len(data), len(index))) {
				t.Errorf("got %v, want damage at a byte", err)
			}
			return
		}
		if err := p.repair(); err != nil {
			t.Fatal(err)
		}
		again := &partition{topic: topicName, dir: dir}
		if err := again.scan(t.Context()); err != nil || again.end != p.end || len(again.cuts)+len(again.open) > 0 {
			t.Errorf("repaired: got %v, end %d, cuts %v, open %v, want end %d and nothing to do", err, again.end, again.cuts, again.open, p.end)
		}
	})
}

// summed returns batches with checksums that are right, as far as their lengths lead.
func summed(data []byte) []byte {
	data = bytes.Clone(data)
	for at := 0; len(data)-at >= batchHeader; {
		size := lengthEnd + int64(int32(binary.BigEndian.Uint32(data[at+8:])))
		if size < batchHeader || size > int64(len(data)-at) {
			break
		}
		batch := data[at : at+int(size)]
		binary.BigEndian.PutUint32(batch[crcStart:], checksum(batch[crcEnd:]))
		at += int(size)
	}
	return data
}

// FuzzFrames reads any bytes as an append log: what it has of whole entries is the same entries when it is
// written again, and a torn end is cut off once.
func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, []byte("a")), []byte(`{"type":"init","pid":5,"epoch":1,"txid":"x"}`)))
	f.Add(appendFrame(nil, []byte("a"))[:9])
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), producersFile)
		writeFile(t, path, raw)
		_, _ = readProducers(path, math.MaxInt64) // it must not panic
		log, err := readFrames(path, math.MaxInt64)
		if err != nil {
			return
		}
		if err := log.cutTail(); err != nil {
			t.Fatal(err)
		}
		again, err := readFrames(path, math.MaxInt64)
		if err != nil || again.torn || len(again.entries) != len(log.entries) || again.size != log.size {
			t.Errorf("got %d entries in %d bytes, torn %v, %v, want %d in %d", len(again.entries), again.size, again.torn, err, len(log.entries), log.size)
		}
	})
}

// FuzzControl checks folders whose control files are any bytes: they are refused or read, and a folder that was
// accepted is accepted when it is repaired.
func FuzzControl(f *testing.F) {
	f.Add([]byte(`{"version":1,"cluster_id":"x"}`), []byte(`{"version":1,"topics":[{"name":"t","id":"eA==","partitions":2}]}`),
		[]byte(`{"version":1,"topics":{"eA==":{"name":"t","starts":{"0":5}}}}`), appendFrame(nil, encodeEnds(nil, 1, ends{partitions: map[[16]byte][]int64{{'x'}: {5, 0}}})))
	f.Add([]byte(`x`), []byte(``), []byte(`{"topics":{"a":null}}`), []byte(`[]`))
	f.Fuzz(func(t *testing.T, meta, topics, starts, ends []byte) {
		dir := t.TempDir()
		for name, raw := range map[string][]byte{metaFile: meta, topicsFile: topics, startsFile: starts, endsFile: ends} {
			writeFile(t, filepath.Join(dir, name), raw)
		}
		if err := os.MkdirAll(partitionDir(dir, "t", 0), 0o755); err != nil {
			t.Fatal(err)
		}
		folder, err := checkFolder(t.Context(), dir)
		if err != nil {
			return
		}
		if err := folder.checkEnds(nil); err != nil {
			return
		}
		for _, topic := range folder.topics {
			folder.starts.of(topic.ID, 0)
			folder.starts.deleting(topic.ID)
		}
	})
}
