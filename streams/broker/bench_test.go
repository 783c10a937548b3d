package broker

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// big makes a stopped folder of 12 partitions with the given number of records of 350 bytes, each batch a committed
// transaction.
func big(b *testing.B, records, perBatch int) (dir string, size int64) {
	b.Helper()
	const partitions = 12
	dir = b.TempDir()
	write := func(path string, raw []byte) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			b.Fatal(err)
		}
		size += int64(len(raw))
	}
	write(filepath.Join(dir, metaFile), []byte(`{"version":1,"cluster_id":"x"}`))
	write(filepath.Join(dir, topicsFile), fmt.Appendf(nil,
		`{"version":1,"topics":[{"name":%q,"id":"AAAAAAAAAAAAAAAAAAAAAQ==","partitions":%d,"replicas":1}]}`, topicName, partitions))
	value := make([]byte, 340)
	for i := range value {
		value[i] = byte(rand.Uint32())
	}
	var body []byte
	for i := range perBatch {
		r := kmsg.Record{OffsetDelta: int32(i), Value: value}
		r.Length = int32(len(r.AppendTo(nil)) - 2) // the length itself takes two bytes
		body = r.AppendTo(body)
	}
	limit, err := strconv.Atoi(segmentBytes)
	if err != nil {
		b.Fatal(err)
	}
	for p := range int32(partitions) {
		var base int64
		var data, index []byte
		flush := func() {
			write(segmentPath(partitionDir(dir, topicName, p), base, segmentSuffix), data)
			write(segmentPath(partitionDir(dir, topicName, p), base, indexSuffix), index)
		}
		var end int64
		add := func(batch kmsg.RecordBatch) {
			batch.FirstOffset, batch.ProducerID = end, int64(p)
			data = append(data, encode(&batch)...)
			index = append(index, indexEntry(batch)...)
			end += int64(batch.NumRecords)
		}
		commit := marker(0, 0)
		commit.Records[8] = byte(kmsg.ControlRecordKeyTypeCommit)
		for range records / partitions / perBatch {
			if len(data) >= limit {
				flush()
				base, data, index = end, nil, nil
			}
			add(kmsg.RecordBatch{
				Magic: batchMagic, Attributes: attrTxn, LastOffsetDelta: int32(perBatch - 1), NumRecords: int32(perBatch), Records: body,
			})
			add(commit)
		}
		flush()
	}
	return dir, size
}

// BenchmarkOpen opens folders of many records, and reports the memory of a process that does nothing else. The peer is
// kfake alone, which neither checks nor repairs.
func BenchmarkOpen(b *testing.B) {
	for _, c := range []struct{ records, perBatch int }{{500_000, 100}, {500_000, 1}, {2_000_000, 100}} {
		dir, size := big(b, c.records, c.perBatch)
		name := fmt.Sprintf("records=%d/batch=%d", c.records, c.perBatch)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				broker, err := Open(b.Context(), Config{Dir: dir, Listen: "127.0.0.1:0"})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := broker.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			reportMemory(b, startChild(b, dir, "127.0.0.1:0"))
		})
		b.Run(name+"/kfake", func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				cluster, err := plain(dir)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				cluster.Close()
				b.StartTimer()
			}
			reportMemory(b, startChild(b, dir, "127.0.0.1:0", childPlain+"=1"))
		})
	}
}

func reportMemory(b *testing.B, c *child) {
	b.Helper()
	b.ReportMetric(memory(b, c.cmd.Process.Pid, "VmHWM"), "peak-MB")
	b.ReportMetric(memory(b, c.cmd.Process.Pid, "VmRSS"), "then-MB")
}

// memory reads a field of /proc/PID/status, in MB.
func memory(b *testing.B, pid int, field string) float64 {
	b.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if words := strings.Fields(s.Text()); words[0] == field+":" {
			kb, _ := strconv.ParseFloat(words[1], 64)
			return kb / 1024
		}
	}
	return 0
}

func BenchmarkCheck(b *testing.B) {
	dir, size := big(b, 500_000, 100)
	b.SetBytes(size)
	for b.Loop() {
		if err := Check(b.Context(), dir); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTransactions commits transactions of one record from 12 producers, each on a partition of its own.
func BenchmarkTransactions(b *testing.B) {
	const partitions = 12
	broker, err := Open(b.Context(), Config{Dir: b.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	defer broker.Close()
	createTopic(b, broker.Addr(), topicName, partitions)
	clients := make([]*kgo.Client, partitions)
	for p := range clients {
		clients[p] = client(b, broker.Addr(), kgo.TransactionalID(fmt.Sprint(p)))
	}
	value := make([]byte, 350)
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var writers sync.WaitGroup
	for p, cl := range clients {
		writers.Go(func() {
			for left.Add(-1) >= 0 {
				begin(b, cl)
				if err := cl.ProduceSync(b.Context(), &kgo.Record{Partition: int32(p), Value: value}).FirstErr(); err != nil {
					b.Error(err)
					return
				}
				commit(b, cl)
			}
		})
	}
	writers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "txns/s")
}
