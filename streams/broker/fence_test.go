package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// zombie is a producer that speaks for itself: it neither fences nor recovers.
type zombie struct {
	t       *testing.T
	cl      *kgo.Client
	topicID [16]byte
	id      int64
	epoch   int16
}

const zombieTxn = "zombie"

func newZombie(t *testing.T, addr string, version *kversion.Versions) *zombie {
	t.Helper()
	z := &zombie{t: t, cl: client(t, addr, kgo.MaxVersions(version))}
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis = kmsg.StringPtr(zombieTxn), 60000
	resp, err := req.RequestWith(t.Context(), z.cl)
	if err != nil || resp.ErrorCode != 0 {
		t.Fatalf("init producer id: %v, code %d", err, resp.ErrorCode)
	}
	z.id, z.epoch = resp.ProducerID, resp.ProducerEpoch
	return z
}

// connect makes the zombie speak to the broker at this address.
func (z *zombie) connect(addr string, version *kversion.Versions) {
	z.t.Helper()
	z.cl = client(z.t, addr, kgo.MaxVersions(version))
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr(topicName)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(z.t.Context(), z.cl)
	if err != nil {
		z.t.Fatal(err)
	}
	z.topicID = resp.Topics[0].TopicID
}

func (z *zombie) addPartition() error {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = zombieTxn, z.id, z.epoch
	topic := kmsg.NewAddPartitionsToTxnRequestTopic()
	topic.Topic, topic.Partitions = topicName, []int32{0}
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(z.t.Context(), z.cl)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

func (z *zombie) produce(value string) error {
	value0 := kmsg.Record{Value: []byte(value)}
	value0.Length = int32(len(value0.AppendTo(nil)) - 1)
	return kerr.ErrorForCode(z.send(kmsg.RecordBatch{
		Magic: batchMagic, Attributes: attrTxn, ProducerID: z.id, ProducerEpoch: z.epoch, NumRecords: 1,
		PartitionLeaderEpoch: -1, Records: value0.AppendTo(nil),
	}).Topics[0].Partitions[0].ErrorCode)
}

func (z *zombie) commit() error {
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = zombieTxn, z.id, z.epoch, true
	resp, err := req.RequestWith(z.t.Context(), z.cl)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}

// A producer from before a stop is refused, whatever it tries, in either dialect: kfake would answer a commit of the
// epoch just below its own with success, taking it for a repetition.
func TestProducerFromBeforeIsFenced(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]*kversion.Versions{"implicit": kversion.Stable(), "explicit": kversion.V2_8_0()} {
		for _, committedBefore := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, committed before: %t", name, committedBefore), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				c := startChild(t, dir, "127.0.0.1:0")
				createTopic(t, c.addr, topicName, 1)
				z := newZombie(t, c.addr, version)
				z.connect(c.addr, version)
				must(t, z.addPartition())
				must(t, z.produce("a"))
				if committedBefore {
					must(t, z.commit())
				}
				c.kill()

				b := open(t, Config{Dir: dir})
				z.connect(b.Addr(), version)
				held := z.epoch
				for z.epoch = held; z.epoch <= held+1; z.epoch++ { // EndTxn may have raised it unseen
					if err := z.commit(); !errors.Is(err, kerr.ProducerFenced) {
						t.Errorf("commit of epoch %d: got %v, want PRODUCER_FENCED", z.epoch, err)
					}
					if err := z.produce("zombie"); !errors.Is(err, kerr.InvalidProducerEpoch) && !errors.Is(err, kerr.InvalidTxnState) {
						t.Errorf("produce of epoch %d: got %v, want INVALID_PRODUCER_EPOCH or INVALID_TXN_STATE", z.epoch, err)
					}
					if err := z.addPartition(); !errors.Is(err, kerr.ProducerFenced) {
						t.Errorf("add partition of epoch %d: got %v, want PRODUCER_FENCED", z.epoch, err)
					}
					if err := z.commit(); !errors.Is(err, kerr.ProducerFenced) {
						t.Errorf("second commit of epoch %d: got %v, want PRODUCER_FENCED", z.epoch, err)
					}
				}
				want := []string{}
				if committedBefore {
					want = append(want, "a")
				}
				if got := committed(t, b.Addr(), 0); !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				newZombie(t, b.Addr(), version) // its successor is welcome
			})
		}
	}
}

// Epochs end at 32767: a producer near it gets a new id, and its old one is unknown.
func TestFenceAtTheEndOfEpochs(t *testing.T) {
	t.Parallel()
	for epoch := math.MaxInt16 - 6; epoch <= math.MaxInt16; epoch++ {
		ids := producers{7: {Type: "init", ID: 7, Epoch: int16(epoch), TxnID: "t", Timeout: 1000}}
		got := ids.fenced(map[int64]int16{}, nil)
		if len(got) != 1 || got[0].TxnID != "t" || got[0].Timeout != 1000 {
			t.Fatalf("epoch %d: got %+v, want the producer of t", epoch, got)
		}
		if got[0].ID == 7 && (int(got[0].Epoch) != epoch+2 || got[0].Epoch > maxEpoch-1) {
			t.Errorf("epoch %d: got epoch %d, want two more and room for one more", epoch, got[0].Epoch)
		}
		if got[0].ID != 7 && got[0].Epoch != 0 {
			t.Errorf("epoch %d: got epoch %d of a new id, want 0", epoch, got[0].Epoch)
		}
	}
}

// The log may know a higher epoch than pids.log: kfake writes it after the markers.
func TestFenceRaisesOverTheLog(t *testing.T) {
	t.Parallel()
	ids := producers{7: {ID: 7, Epoch: 3, TxnID: "t"}, 8: {ID: 8, Epoch: 1}}
	got := ids.fenced(map[int64]int16{7: 5}, nil)
	want := []producer{{Type: "init", ID: 7, Epoch: 7, TxnID: "t"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Of each transactional id only the last producer id lives: kfake would load the one that ran out of epochs as well.
func TestReadProducersForgetsFormerIDs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), producersFile)
	var log []byte
	for _, e := range []producer{
		{Type: "init", ID: 1, Epoch: 32766, TxnID: "t"},
		{Type: "endtx", ID: 1, Epoch: 32766},
		{Type: "init", ID: 2, Epoch: 0, TxnID: "t"},
		{Type: "timeout", ID: 2, Epoch: 1},
		{Type: "init", ID: 3, Epoch: 4},
	} {
		data, err := json.Marshal(e)
		must(t, err)
		log = appendFrame(log, data)
	}
	writeFile(t, path, log)
	got, err := readProducers(path, math.MaxInt64)
	must(t, err)
	want := producers{2: {Type: "init", ID: 2, Epoch: 1, TxnID: "t"}, 3: {Type: "init", ID: 3, Epoch: 4}}
	if len(got) != 2 || got[2] != want[2] || got[3] != want[3] {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A batch that was written before a kill and is sent again after it is not written twice.
func TestIdempotentProducerGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	createTopic(t, b.Addr(), topicName, 1)
	cl := client(t, b.Addr())
	produce(t, cl, "a", "b", "c", "d", "e", "f", "g")
	crashed := copyDir(t, dir)
	raw := readFile(t, partitionFile(crashed, 0, "0.dat"))
	f := 5 * len(raw) / 7
	var batch kmsg.RecordBatch
	must(t, batch.ReadFrom(raw[f:f+len(raw)/7]))
	batch.FirstOffset = 0

	b = open(t, Config{Dir: crashed})
	z := &zombie{t: t}
	z.connect(b.Addr(), kversion.Stable())
	got := z.send(batch).Topics[0].Partitions[0]
	if got.ErrorCode != 0 || got.BaseOffset != 5 {
		t.Errorf("got code %d, offset %d, want the offset 5 of the first time", got.ErrorCode, got.BaseOffset)
	}
	wantValues(t, committed(t, b.Addr(), 0), "a", "b", "c", "d", "e", "f", "g")
}

// A producer without transactions raises its epoch by itself, and pids.log does not know.
func TestIdempotentProducerKeepsItsEpoch(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	createTopic(t, b.Addr(), topicName, 1)
	z := &zombie{t: t}
	z.connect(b.Addr(), kversion.Stable())
	z.send(kmsg.RecordBatch{Magic: batchMagic, ProducerID: 77, ProducerEpoch: 3, NumRecords: 1})
	crashed := copyDir(t, dir)
	closeBroker(t, open(t, Config{Dir: crashed}))
	got, err := readProducers(filepath.Join(crashed, producersFile), math.MaxInt64)
	must(t, err)
	if want := (producer{Type: "init", ID: 77, Epoch: 3}); got[77] != want {
		t.Errorf("got %+v, want %+v", got[77], want)
	}
}

func TestSequencesForgetOldProducers(t *testing.T) {
	t.Parallel()
	s := sequences{}
	for i := range int64(10 * maxSequences) {
		s.add(kmsg.RecordBatch{ProducerID: i, FirstOffset: i, NumRecords: 1})
	}
	if len(s) >= 2*maxSequences {
		t.Errorf("got %d producers, want fewer than %d", len(s), 2*maxSequences)
	}
	for i := int64(9 * maxSequences); i < 10*maxSequences; i++ {
		if s[i] == nil {
			t.Errorf("producer %d of the last %d was forgotten", i, maxSequences)
		}
	}
}
