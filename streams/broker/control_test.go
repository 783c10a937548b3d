package broker

import (
	"context"
	"errors"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func deleteRecords(t *testing.T, addr string, before int64) {
	t.Helper()
	if got := tryDeleteRecords(t, addr, before); got != nil {
		t.Fatal(got)
	}
}

func tryDeleteRecords(t *testing.T, addr string, before int64) error {
	t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(topicName, 0, before, -1)
	got, err := kadm.NewClient(client(t, addr)).DeleteRecords(t.Context(), offsets)
	must(t, err)
	r, _ := got.Lookup(topicName, 0)
	return r.Err
}

func TestLogStartSurvives(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := startChild(t, dir, "127.0.0.1:0")
	createTopic(t, c.addr, topicName, 1)
	produce(t, client(t, c.addr), "a", "b", "c")
	deleteRecords(t, c.addr, 1)
	c.kill()

	b := open(t, Config{Dir: dir})
	wantValues(t, committed(t, b.Addr(), 0), "b", "c")
	closeBroker(t, b)
	b = open(t, Config{Dir: dir})
	wantValues(t, committed(t, b.Addr(), 0), "b", "c")
	deleteRecords(t, b.Addr(), 2) // made after a start that found a clean stop
	b = open(t, Config{Dir: copyDir(t, dir)})
	wantValues(t, committed(t, b.Addr(), 0), "c")
	for _, beyond := range []int64{1, 4} {
		if err := tryDeleteRecords(t, b.Addr(), beyond); !errors.Is(err, kerr.OffsetOutOfRange) {
			t.Errorf("delete below %d: got %v, want OFFSET_OUT_OF_RANGE", beyond, err)
		}
	}
}

// kfake deletes the files of an empty log, and would begin it again at offset zero.
func TestEmptyLogKeepsItsEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	createTopic(t, b.Addr(), topicName, 1)
	produce(t, client(t, b.Addr()), "a", "b", "c")
	deleteRecords(t, b.Addr(), -1)
	for name, dir := range map[string]string{"kill": copyDir(t, dir), "clean stop": dir} {
		closeBroker(t, b)
		for range 2 {
			again := open(t, Config{Dir: dir})
			if start, end := logEnds(t, again.Addr(), 0); start != 3 || end != 3 {
				t.Errorf("%s: got offsets %d to %d, want 3 to 3", name, start, end)
			}
			closeBroker(t, again)
		}
		again := open(t, Config{Dir: dir})
		produce(t, client(t, again.Addr()), "d")
		closeBroker(t, again)
		again = open(t, Config{Dir: dir})
		wantValues(t, committed(t, again.Addr(), 0), "d")
		if start, end := logEnds(t, again.Addr(), 0); start != 3 || end != 4 {
			t.Errorf("%s: got offsets %d to %d, want 3 to 4", name, start, end)
		}
	}
}

// The marker that keeps the end of an empty log may be torn as well.
func TestEmptyLogKeepsItsEndAfterKilledRepair(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	createTopic(t, b.Addr(), topicName, 1)
	produce(t, client(t, b.Addr()), "a", "b", "c")
	deleteRecords(t, b.Addr(), -1)
	closeBroker(t, b)
	closeBroker(t, open(t, Config{Dir: dir}))
	shorten(t, partitionFile(dir, 0, "2.dat"), 5)
	shorten(t, partitionFile(dir, 0, "2.idx"), entrySize)
	b = open(t, Config{Dir: dir})
	if start, end := logEnds(t, b.Addr(), 0); start != 3 || end != 3 {
		t.Errorf("got offsets %d to %d, want 3 to 3", start, end)
	}
}

// A kill between the two files of a segment that DeleteRecords removes is no damage.
func TestOpenFinishesRemovalOfSegment(t *testing.T) {
	t.Parallel()
	base := sample(t)
	b := open(t, Config{Dir: base})
	var offsets kadm.Offsets
	offsets.AddOffset(topicName, 1, 1, -1)
	index := readFile(t, partitionFile(base, 1, "0.idx"))
	_, err := kadm.NewClient(client(t, b.Addr())).DeleteRecords(t.Context(), offsets)
	must(t, err)
	dir := copyDir(t, base)
	writeFile(t, partitionFile(dir, 1, "0.idx"), index)
	b = open(t, Config{Dir: dir})
	wantValues(t, committed(t, b.Addr(), 1), "y", "z")
}

func TestTopicMadeAgainBeginsAtZero(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	createTopic(t, b.Addr(), topicName, 1)
	produce(t, client(t, b.Addr()), "a", "b")
	deleteRecords(t, b.Addr(), 1)
	adm := kadm.NewClient(client(t, b.Addr()))
	_, err := adm.DeleteTopic(t.Context(), topicName)
	must(t, err)
	if _, err := adm.DeleteTopic(t.Context(), topicName); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("got %v, want UNKNOWN_TOPIC_OR_PARTITION", err)
	}
	createTopic(t, b.Addr(), topicName, 1)
	produce(t, client(t, b.Addr()), "c")
	crashed := copyDir(t, dir)
	s, err := readStarts(crashed)
	must(t, err)
	s.topic("the former id", topicName).Starts[0] = 1
	must(t, s.save())
	b = open(t, Config{Dir: crashed})
	wantValues(t, committed(t, b.Addr(), 0), "c")
	if start, end := logEnds(t, b.Addr(), 0); start != 0 || end != 1 {
		t.Errorf("got offsets %d to %d, want 0 to 1", start, end)
	}
}

func TestDeleteTopicByID(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Dir: t.TempDir()})
	createTopic(t, b.Addr(), topicName, 1)
	z := &zombie{t: t}
	z.connect(b.Addr(), kversion.Stable())
	req := kmsg.NewPtrDeleteTopicsRequest()
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.TopicID = z.topicID
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(t.Context(), z.cl)
	must(t, err)
	if got := resp.Topics[0]; got.ErrorCode != 0 || got.Topic == nil || *got.Topic != topicName {
		t.Errorf("got %+v, want %s deleted", got, topicName)
	}
}

// A kill in the middle of the deletion of a topic leaves some of its files. The next start finishes it.
func TestOpenFinishesDeletionOfTopic(t *testing.T) {
	t.Parallel()
	dir := sample(t)
	topics, err := readTopics(dir)
	must(t, err)
	s, err := readStarts(dir)
	must(t, err)
	s.topic(topics[0].ID, topicName).Deleting = true
	must(t, s.save())
	removeFile(t, partitionFile(dir, 1, "0.dat"))
	must(t, os.RemoveAll(partitionDir(dir, topicName, 0)))

	b := open(t, Config{Dir: dir})
	details, err := kadm.NewClient(client(t, b.Addr())).ListTopics(t.Context())
	must(t, err)
	if details.Has(topicName) {
		t.Error("got the topic, want it deleted")
	}
	createTopic(t, b.Addr(), topicName, 1)
	produce(t, client(t, b.Addr()), "new")
	closeBroker(t, b)
	b = open(t, Config{Dir: dir})
	wantValues(t, committed(t, b.Addr(), 0), "new")
}

func TestKW24FullDiskRefusesRecords(t *testing.T) {
	t.Parallel()
	var free atomic.Uint64
	free.Store(1000)
	b := open(t, Config{Dir: t.TempDir(), MinFree: 1000, FreeBytes: func(string) (uint64, error) { return free.Load(), nil }})
	createTopic(t, b.Addr(), topicName, 1)
	cl := client(t, b.Addr())
	txn := client(t, b.Addr(), kgo.TransactionalID("t"))
	produce(t, cl, "a")
	begin(t, txn)
	produce(t, txn, "in time")

	free.Store(999)
	eventually(t, "records are refused", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := cl.ProduceSync(ctx, record(0, "refused")).FirstErr()
		if err != nil && !errors.Is(err, kerr.PolicyViolation) {
			t.Fatalf("got %v, want POLICY_VIOLATION", err)
		}
		return err != nil
	})
	commit(t, txn) // what is there can be brought to an end

	free.Store(1000)
	eventually(t, "the same client can write again", func() bool {
		return cl.ProduceSync(t.Context(), record(0, "b")).FirstErr() == nil
	})
	got := committed(t, b.Addr(), 0)
	if len(got) < 3 || got[0] != "a" || got[1] != "in time" || got[len(got)-1] != "b" {
		t.Errorf("got %q, want a, in time, ..., b", got)
	}
}

func TestFullDiskTellsWhy(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Dir: t.TempDir(), FreeBytes: func(string) (uint64, error) { return 5, nil }})
	createTopic(t, b.Addr(), topicName, 1)
	z := newZombie(t, b.Addr(), kversion.Stable())
	z.connect(b.Addr(), kversion.Stable())
	resp := z.send(kmsg.RecordBatch{Magic: batchMagic, NumRecords: 1})
	got := resp.Topics[0]
	want := "5 bytes are free, and 268435456 must stay free"
	if m := got.Partitions[0].ErrorMessage; got.TopicID != z.topicID || m == nil || !strings.Contains(*m, want) {
		t.Errorf("got topic %x and message %v, want %x and %q", got.TopicID, m, z.topicID, want)
	}
	unacknowledged := client(t, b.Addr(), kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite(), kgo.RecordRetries(0))
	unacknowledged.ProduceSync(t.Context(), record(0, "a")) // must come back
	if start, end := logEnds(t, b.Addr(), 0); start != 0 || end != 0 {
		t.Errorf("got offsets %d to %d, want none", start, end)
	}
}

func TestFreeBytesOfARealDisk(t *testing.T) {
	t.Parallel()
	got, err := freeBytes(t.TempDir())
	must(t, err)
	if got == 0 || got == math.MaxUint64 {
		t.Errorf("got %d bytes, want what is free", got)
	}
}

// kfake takes batches that it cannot read again: the folder could not be opened any more.
func TestProduceRefusesWhatCannotBeKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := time.Now()
	b := open(t, Config{Dir: dir, Clock: func() time.Time { return at }})
	createTopic(t, b.Addr(), topicName, 1)
	z := newZombie(t, b.Addr(), kversion.Stable())
	z.connect(b.Addr(), kversion.Stable())
	for name, c := range map[string]struct {
		batch kmsg.RecordBatch
		want  error
	}{
		"the broker's timestamps": {kmsg.RecordBatch{Magic: batchMagic, Attributes: attrLogAppendTime, NumRecords: 1, ProducerID: -1, ProducerEpoch: -1}, kerr.InvalidTimestamp},
		"no records":              {kmsg.RecordBatch{Magic: batchMagic, NumRecords: 0, LastOffsetDelta: -1, ProducerID: -1, ProducerEpoch: -1}, kerr.InvalidRecord},
		"cut off":                 {kmsg.RecordBatch{}, kerr.CorruptMessage},
		"the far future":          {kmsg.RecordBatch{Magic: batchMagic, NumRecords: 1, MaxTimestamp: at.Add(maxAhead + time.Millisecond).UnixMilli(), ProducerID: -1, ProducerEpoch: -1}, kerr.InvalidTimestamp},
	} {
		resp := z.send(c.batch)
		if got := kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode); !errors.Is(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	open(t, Config{Dir: copyDir(t, dir)})
}

// send produces a batch as it is.
func (z *zombie) send(b kmsg.RecordBatch) *kmsg.ProduceResponse {
	z.t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.TransactionID, req.Acks, req.TimeoutMillis = kmsg.StringPtr(zombieTxn), -1, 1000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.TopicID = topicName, z.topicID
	partition := kmsg.NewProduceRequestTopicPartition()
	if partition.Records = encode(&b); b.Magic == 0 {
		partition.Records = partition.Records[:20]
	}
	topic.Partitions = append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(z.t.Context(), z.cl)
	must(z.t, err)
	return resp
}

func TestBrokerConfigurationIsFixed(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Dir: t.TempDir()})
	createTopic(t, b.Addr(), topicName, 1)
	adm := kadm.NewClient(client(t, b.Addr()))
	change := []kadm.AlterConfig{{Name: "log.cleaner.backoff.ms", Value: kadm.StringPtr("1")}}
	got, err := adm.AlterBrokerConfigs(t.Context(), change, 0)
	must(t, err)
	if !errors.Is(got[0].Err, kerr.PolicyViolation) {
		t.Errorf("got %v, want POLICY_VIOLATION", got[0].Err)
	}
	got, err = adm.AlterBrokerConfigsState(t.Context(), change, 0)
	must(t, err)
	if !errors.Is(got[0].Err, kerr.PolicyViolation) {
		t.Errorf("got %v, want POLICY_VIOLATION", got[0].Err)
	}
	described, err := adm.DescribeBrokerConfigs(t.Context(), 0)
	must(t, err)
	for _, c := range described[0].Configs {
		if c.Key == "log.cleaner.backoff.ms" && c.MaybeValue() != never {
			t.Errorf("got %s for %s, want %s: the log must never be compacted", c.MaybeValue(), c.Key, never)
		}
	}
	topic := []kadm.AlterConfig{{Name: "retention.ms", Value: kadm.StringPtr("1")}}
	got, err = adm.AlterTopicConfigs(t.Context(), topic, topicName)
	must(t, err)
	must(t, got[0].Err)
}
