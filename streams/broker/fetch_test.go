package broker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The records of aborted transactions are nobody's, however small the responses are that a client asks for.
func TestAbortedRecordsAreNeverRead(t *testing.T) {
	t.Parallel()
	const partitions, rounds, size = 3, 20, 20_000
	b := open(t, Config{Dir: t.TempDir()})
	createTopic(t, b.Addr(), topicName, partitions)
	writer := client(t, b.Addr(), kgo.TransactionalID("writer"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	write := func(word string, end kgo.TransactionEndTry) {
		begin(t, writer)
		for p := range int32(partitions) {
			if err := writer.ProduceSync(t.Context(), record(p, word+strings.Repeat(".", size))).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := writer.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	for range rounds {
		write("committed", kgo.TryCommit)
		write("aborted", kgo.TryAbort)
	}
	write("committed", kgo.TryCommit)
	at := make(map[int32]kgo.Offset)
	for p := range int32(partitions) {
		at[p] = kgo.NewOffset().At(0)
	}
	for _, bound := range []int32{30_000, 100_000, 150_000, 1 << 20} {
		reader := client(t, b.Addr(), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
			kgo.FetchMaxBytes(bound), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topicName: at}))
		got := make(map[string]int)
		for ended := 0; ended < partitions; {
			fetches := reader.PollFetches(t.Context())
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			fetches.EachRecord(func(r *kgo.Record) {
				if r.Offset == 4*rounds+1 {
					ended++
				}
				if !r.Attrs.IsControl() {
					word, _, _ := strings.Cut(string(r.Value), ".")
					got[word]++
				}
			})
		}
		if want := fmt.Sprint(map[string]int{"committed": partitions * (rounds + 1)}); fmt.Sprint(got) != want {
			t.Errorf("responses of %d bytes: got %v, want %v", bound, got, want)
		}
	}
}
