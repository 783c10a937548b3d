package broker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// deleteRecords moves log starts: on disk first, so that a start that was answered is there after a crash.
func (b *Broker) deleteRecords(r *kmsg.DeleteRecordsRequest) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.DeleteRecordsResponse)
	for _, t := range r.Topics {
		rt := kmsg.NewDeleteRecordsResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewDeleteRecordsResponseTopicPartition()
			rp.Partition = p.Partition
			rp.LowWatermark, rp.ErrorCode = b.moveStart(t.Topic, p.Partition, p.Offset)
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (b *Broker) moveStart(topic string, partition int32, offset int64) (start int64, code int16) {
	at, info := b.cluster.PartitionInfo(topic, partition), b.cluster.TopicInfo(topic)
	if at == nil || info == nil {
		return -1, kerr.UnknownTopicOrPartition.Code
	}
	if offset == -1 {
		offset = at.HighWatermark
	}
	if offset < at.LogStartOffset || offset > at.HighWatermark {
		return -1, kerr.OffsetOutOfRange.Code
	}
	b.starts.topic(topicID(info.TopicID), topic).Starts[partition] = offset
	if err := b.starts.save(); err != nil {
		b.fail(err)
		return -1, kerr.KafkaStorageError.Code
	}
	if err := b.cluster.DeleteRecords(topic, partition, offset); err != nil {
		b.fail(fmt.Errorf("delete records of %s/%d below %d: %w", topic, partition, offset, err))
		return -1, kerr.KafkaStorageError.Code
	}
	return offset, 0
}

// deleteTopics deletes topics: the intent goes to disk first, because kfake removes files one by one, and a folder
// with half a topic in it could not be told from damage.
func (b *Broker) deleteTopics(r *kmsg.DeleteTopicsRequest) kmsg.Response {
	resp := r.ResponseKind().(*kmsg.DeleteTopicsResponse)
	for _, name := range r.TopicNames {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = &name
		r.Topics = append(r.Topics, t)
	}
	for _, t := range r.Topics {
		rt := kmsg.NewDeleteTopicsResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		switch {
		case t.Topic != nil && t.TopicID != [16]byte{}:
			rt.ErrorCode = kerr.InvalidRequest.Code
		case t.Topic != nil:
			rt.ErrorCode = kerr.UnknownTopicOrPartition.Code
			if info := b.cluster.TopicInfo(*t.Topic); info != nil {
				rt.TopicID, rt.ErrorCode = info.TopicID, b.deleteTopic(info.Topic, info.TopicID)
			}
		default:
			rt.ErrorCode = kerr.UnknownTopicID.Code
			if info := b.cluster.TopicIDInfo(t.TopicID); info != nil {
				rt.Topic, rt.ErrorCode = &info.Topic, b.deleteTopic(info.Topic, info.TopicID)
			}
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

func (b *Broker) deleteTopic(name string, id [16]byte) (code int16) {
	if slices.Contains(b.config.Keep, name) {
		return kerr.PolicyViolation.Code
	}
	b.starts.topic(topicID(id), name).Deleting = true
	if err := b.starts.save(); err != nil {
		b.fail(err)
		return kerr.KafkaStorageError.Code
	}
	if err := b.finishDelete(name, topicID(id)); err != nil {
		b.fail(err)
		return kerr.KafkaStorageError.Code
	}
	return 0
}

func (b *Broker) finishDelete(name, id string) error {
	partitions := int32(len(b.cluster.PartitionInfos(name)))
	if err := b.cluster.DeleteTopic(name); err != nil {
		return fmt.Errorf("delete topic %s: %w", name, err)
	}
	if err := removePartitions(b.config.Dir, name, partitions); err != nil {
		return err
	}
	delete(b.starts.topics, id)
	return b.starts.save()
}

func removePartitions(dir, topic string, partitions int32) error {
	for n := range partitions {
		if err := os.RemoveAll(partitionDir(dir, topic, n)); err != nil {
			return fmt.Errorf("delete %s/%d: %w", topic, n, err)
		}
	}
	return syncDir(filepath.Join(dir, partitionsDir))
}

// finishDeletes deletes the topics whose deletion a crash interrupted.
func (b *Broker) finishDeletes() error {
	for id, t := range b.starts.topics {
		if !t.Deleting {
			continue
		}
		if err := b.finishDelete(t.Name, id); err != nil {
			return err
		}
	}
	return nil
}
