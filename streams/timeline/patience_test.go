package timeline

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/streams/cluster"
)

// Records that do not come are not waited for without end.
func TestScanLosesPatience(t *testing.T) {
	kafka, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	kafka.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Count: -1})
	reader, err := NewReader(cluster.Cluster{Seeds: kafka.ListenAddrs()}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	reader.Add("t", 0, 0)
	s := scan{reader: reader, patience: time.Second, left: map[int32]Span{0: {0, 1}}, each: func(Batch) error { return nil }}
	if err := s.run(t.Context()); !errors.Is(err, errNothingCame) {
		t.Errorf("got %v, want %v", err, errNothingCame)
	}
}
