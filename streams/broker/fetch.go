package broker

import (
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxRecordBatch is the largest batch that a producer may send, in bytes.
const maxRecordBatch = 1 << 20

// boundFetch has a fetch bounded by partition alone. Where kfake reaches the bound of the whole response it leaves
// out which transactions of the last partition were aborted, and every client takes their records for committed
// ones. So the bound of the response is taken away and shared out among the partitions, each of which gets at
// least one batch; a response is then larger than asked for by a batch for each partition at the most.
func boundFetch(r *kmsg.FetchRequest) {
	partitions := 0
	for _, t := range r.Topics {
		partitions += len(t.Partitions)
	}
	share := max(r.MaxBytes/int32(max(partitions, 1)), maxRecordBatch)
	for i := range r.Topics {
		for j := range r.Topics[i].Partitions {
			p := &r.Topics[i].Partitions[j]
			p.PartitionMaxBytes = min(p.PartitionMaxBytes, share)
		}
	}
	r.MaxBytes = math.MaxInt32
}
