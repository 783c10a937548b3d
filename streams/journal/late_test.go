package journal

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A commit that was repeated on another connection comes once more, late: before the next batch is produced, or
// before it is committed. The batch is in the log once, whatever its callers are told, and so is what follows.
func TestLateCommitOfTheTransactionBefore(t *testing.T) {
	for name, before := range map[string]kmsg.Key{"produce": kmsg.Produce, "commit": kmsg.EndTxn} {
		t.Run(name, func(t *testing.T) {
			b := start(t, func(c *config, _ *set) { c.OneEpoch = true }).serving()
			first := endOf(t, b, "a")
			came := lateBefore(t, b.kafka, before, first)
			if _, err := b.submit("b"); err != nil {
				b.insist("b")
			}
			select {
			case <-came:
			default:
				t.Error("the late commit never came")
			}
			b.insist("c")
			b.wantLog("a", "b", "c")
		})
	}
}

// endOf submits a command and returns the request that committed it.
func endOf(t *testing.T, b *bench, command string) kmsg.EndTxnRequest {
	t.Helper()
	var end kmsg.EndTxnRequest
	b.kafka.ControlKey(kmsg.EndTxn.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		end = *r.(*kmsg.EndTxnRequest)
		b.kafka.DropControl()
		return nil, nil, false
	})
	b.insist(command)
	if end.Version != 4 {
		t.Fatalf("the commit is of version %d, want 4: under one epoch", end.Version)
	}
	return end
}

// lateBefore sends a commit again before the next request of a kind is handled, and tells when it was answered.
func lateBefore(t *testing.T, kafka *kfake.Cluster, key kmsg.Key, late kmsg.EndTxnRequest) <-chan struct{} {
	t.Helper()
	helper, err := kgo.NewClient(kgo.SeedBrokers(kafka.ListenAddrs()...), oneEpoch())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(helper.Close)
	came := make(chan struct{})
	sending := false
	kafka.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		if sending {
			kafka.KeepControl()
			return nil, nil, false // this is the request of the helper
		}
		sending = true
		kafka.SleepControl(func() {
			if _, err := late.RequestWith(context.Background(), helper); err != nil {
				t.Errorf("send the late commit: %v", err)
			}
			close(came)
		})
		kafka.DropControl()
		return nil, nil, false
	})
	return came
}
