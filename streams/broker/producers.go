package broker

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// producer is what pids.log says of one producer id.
type producer struct {
	Type    string `json:"type"`
	ID      int64  `json:"pid"`
	Epoch   int16  `json:"epoch"`
	TxnID   string `json:"txid,omitempty"`
	Timeout int32  `json:"timeout,omitempty"`
}

// producers are the producers that kfake knows, by id.
type producers map[int64]producer

// readProducers folds pids.log. Of each transactional id only the last producer id remains; kfake would go on to
// accept the ones before it.
func readProducers(path string, promised int64) (producers, error) {
	log, err := readFrames(path, promised)
	if err != nil {
		return nil, err
	}
	ids, current := producers{}, map[string]int64{}
	at := int64(0)
	for _, raw := range log.entries {
		var e producer
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, &DamageError{File: path, At: at, Offset: -1, Problem: "has an entry that cannot be read: " + err.Error()}
		}
		at += int64(frameHeader + len(raw))
		ids.fold(e, current)
	}
	return ids, nil
}

func (p producers) fold(e producer, current map[string]int64) {
	if e.Type != "init" {
		if known, found := p[e.ID]; found {
			known.Epoch = e.Epoch
			p[e.ID] = known
		}
		return
	}
	if e.TxnID != "" {
		if before, found := current[e.TxnID]; found && before != e.ID {
			delete(p, before)
		}
		current[e.TxnID] = e.ID
	}
	p[e.ID] = e
}

// fence writes down what kfake may still know of the producers from before.
//
// A producer with transactions loses: its epoch is raised by two over the highest that was given out or is in the log.
// By one would not do, because kfake takes EndTxn of the epoch just below its own, where no transaction is open, for a
// repetition of one that it has answered, and answers success. An epoch near its end becomes a fresh producer id, and
// the old id is forgotten, which kfake refuses as well.
//
// A producer without transactions keeps its id and the sequence numbers of its last batches, which kfake itself keeps
// only over a clean stop: a batch that was written before a crash and is sent again after it is recognised.
func (f *folder) fence() error {
	epochs, windows := map[int64]int16{}, []window{}
	for _, p := range f.partitions {
		for id, epoch := range p.epochs {
			epochs[id] = max(epochs[id], epoch)
		}
		for id, q := range p.sequences {
			if f.producers[id].TxnID == "" {
				epochs[id] = max(epochs[id], q.epoch)
				windows = append(windows, newWindow(p, id, q))
			}
		}
	}
	slices.SortFunc(windows, func(a, b window) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	var log bytes.Buffer
	for _, p := range f.producers.fenced(epochs, windows) {
		data, err := json.Marshal(p)
		if err != nil {
			return err
		}
		log.Write(appendFrame(nil, data))
	}
	if err := replaceFile(filepath.Join(f.dir, producersFile), log.Bytes()); err != nil {
		return err
	}
	f.ends.producers = int64(log.Len())
	return writeJSON(filepath.Join(f.dir, windowsFile), struct {
		Version int      `json:"version"`
		Windows []window `json:"windows"`
	}{formatVersion, windows})
}

// maxEpoch is where kfake takes a new producer id.
const maxEpoch = math.MaxInt16 - 1

// fenced returns the producers to remember, those with transactions under a new epoch. Producers without transactions
// and without a window are forgotten: kfake takes them up again when they write.
func (p producers) fenced(epochs map[int64]int16, windows []window) []producer {
	var kept []producer
	for _, id := range slices.Sorted(maps.Keys(p)) {
		one := p[id]
		if one.TxnID == "" {
			continue
		}
		epoch := max(one.Epoch, epochs[id])
		if one.Epoch = epoch + 2; epoch > maxEpoch-3 {
			one.ID, one.Epoch = p.fresh(), 0
		}
		one.Type = "init"
		kept = append(kept, one)
	}
	for i, w := range windows {
		if i == 0 || windows[i-1].ID != w.ID {
			kept = append(kept, producer{Type: "init", ID: w.ID, Epoch: max(p[w.ID].Epoch, epochs[w.ID])})
		}
	}
	return kept
}

func (p producers) fresh() int64 {
	for {
		id := rand.Int64()
		if _, taken := p[id]; !taken {
			return id
		}
	}
}

// window is an entry of seq_windows.json: what kfake knows of the last batches of a producer in a partition.
type window struct {
	ID        int64                        `json:"pid"`
	Topic     string                       `json:"topic"`
	Partition int32                        `json:"partition"`
	Entries   [sequenceDepth]sequenceEntry `json:"entries"`
	Count     int                          `json:"count"`
	At        int                          `json:"at"`
	Epoch     int16                        `json:"epoch"`
	Seen      bool                         `json:"seen"`
	Next      int32                        `json:"next_seq"`
}

func newWindow(p *partition, id int64, q *sequence) window {
	w := window{
		ID: id, Topic: p.topic, Partition: p.number, Epoch: q.epoch, Seen: true,
		Count: len(q.last), At: len(q.last) % sequenceDepth, Next: q.last[len(q.last)-1].Next,
	}
	copy(w.Entries[:], q.last)
	return w
}
