package broker

import (
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// syncer makes durable what kfake has written, and writes down up to where.
type syncer struct {
	dir     *os.File
	cluster *kfake.Cluster
	ends    ends
	writer  *endsWriter
}

func newSyncer(dir string, e ends) (*syncer, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	w, err := writeEnds(dir, e)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return &syncer{dir: d, ends: e, writer: w}, nil
}

// sync returns when all that had been written when it was called is on disk, and the ends of these topics after it.
func (s *syncer) sync(topics []topicKey) error {
	changed, err := s.measure(topics)
	if err == nil {
		err = syncAll(s.dir)
	}
	if err == nil && changed {
		err = s.writer.save(s.ends)
	}
	return err
}

// measure takes up how far the logs have been written. kfake tells between two requests, so each of them whole.
func (s *syncer) measure(topics []topicKey) (changed bool, err error) {
	for _, t := range topics {
		infos := s.cluster.PartitionInfos(t.name)
		ends := make([]int64, len(infos))
		for i, info := range infos {
			ends[i] = info.HighWatermark
		}
		if !slices.Equal(ends, s.ends.partitions[t.id]) {
			s.ends.partitions[t.id], changed = ends, true
		}
	}
	for name, size := range map[string]*int64{producersFile: &s.ends.producers, groupsFile: &s.ends.groups} {
		info, err := os.Stat(filepath.Join(s.dir.Name(), name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
		if err == nil && *size != info.Size() {
			*size, changed = info.Size(), true
		}
	}
	return changed, nil
}

// close is called when kfake has written its last.
func (s *syncer) close() error {
	return errors.Join(syncAll(s.dir), s.writer.close(), s.dir.Close())
}

// writers know which topics a request writes to. They are used by one request at a time.
type writers struct {
	cluster *kfake.Cluster
	byName  map[string]topicKey
	byID    map[[16]byte]topicKey
	open    map[string][]topicKey // by transactional id: where it has written in its transaction
}

func newWriters(c *kfake.Cluster) *writers {
	return &writers{cluster: c, byName: map[string]topicKey{}, byID: map[[16]byte]topicKey{}, open: map[string][]topicKey{}}
}

func (w *writers) work(r kmsg.Request) work {
	switch r := r.(type) {
	case *kmsg.ProduceRequest:
		topics := w.produced(r)
		if id := r.TransactionID; id != nil {
			for _, t := range topics {
				if !slices.Contains(w.open[*id], t) {
					w.open[*id] = append(w.open[*id], t)
				}
			}
		}
		return work{true, topics}
	case *kmsg.EndTxnRequest:
		return work{true, w.ended(r.TransactionalID)}
	case *kmsg.InitProducerIDRequest:
		if r.TransactionalID != nil {
			return work{true, w.ended(*r.TransactionalID)}
		}
	case *kmsg.DeleteTopicsRequest:
		clear(w.byName) // a name may be given to another
		clear(w.byID)
	}
	return work{writes: promiseOf(kmsg.Key(r.Key()), false) == toldWrite}
}

// ended returns where a transaction has written that gets its markers now.
func (w *writers) ended(id string) []topicKey {
	topics := w.open[id]
	delete(w.open, id)
	return topics
}

func (w *writers) produced(r *kmsg.ProduceRequest) []topicKey {
	var topics []topicKey
	for _, t := range r.Topics {
		if key, found := w.find(t.Topic, t.TopicID); found {
			topics = append(topics, key)
		}
	}
	return topics
}

// find returns the topic of this name, or of this id where it is told by that. There may be none.
func (w *writers) find(name string, id [16]byte) (topicKey, bool) {
	key, found := w.byName[name]
	if name == "" {
		key, found = w.byID[id]
	}
	if found {
		return key, true
	}
	info := w.cluster.TopicInfo(name)
	if name == "" {
		info = w.cluster.TopicIDInfo(id)
	}
	if info == nil {
		return topicKey{}, false
	}
	key = topicKey{info.Topic, info.TopicID}
	w.byName[key.name], w.byID[key.id] = key, key
	return key, true
}
