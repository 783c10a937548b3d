package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// space watches the free space of the disk. It is used by one request at a time.
type space struct {
	dir  string
	min  uint64
	free func(dir string) (uint64, error)

	asked time.Time
	err   error
}

// spaceAge is for how long the free space is not asked again.
const spaceAge = 200 * time.Millisecond

// check returns why no more records can be taken, nil if they can.
func (s *space) check() error {
	if time.Since(s.asked) < spaceAge {
		return s.err
	}
	s.asked = time.Now()
	free, err := s.free(s.dir)
	if s.err = err; err == nil && free < s.min {
		s.err = fmt.Errorf("the disk of %s is nearly full: %d bytes are free, and %d must stay free", s.dir, free, s.min)
	}
	return s.err
}

// guardProduce refuses records that there is no room for, and batches that kfake would take but could not read again.
// The refusal is one that clients do not repeat by themselves; they can go on once there is room.
func guardProduce(r *kmsg.ProduceRequest, s *space, latest time.Time) (kmsg.Response, error) {
	if err := s.check(); err != nil {
		return refuseProduce(r, kerr.PolicyViolation, err.Error())
	}
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			if refused, why := checkBatch(p.Records, latest); refused != nil {
				return refuseProduce(r, refused, why)
			}
		}
	}
	return nil, nil
}

const (
	attrLogAppendTime = 0x08
	attributesAt      = 21
	lastDeltaAt       = 23
	maxTimestampAt    = 35
	// maxAhead is how far a record's time may be ahead of the broker's: Kafka's message.timestamp.after.max.ms
	// (KIP-937) as it is where nothing else is said.
	maxAhead = time.Hour
)

// checkBatch refuses what Kafka refuses and kfake takes: a batch that claims the broker's own timestamps, whose
// header kfake changes without its checksum, a batch without records, which takes no offset, and one of the far future,
// whose writer's clock has jumped.
func checkBatch(raw []byte, latest time.Time) (*kerr.Error, string) {
	if len(raw) < batchHeader {
		return nil, ""
	}
	if raw[attributesAt+1]&attrLogAppendTime != 0 {
		return kerr.InvalidTimestamp, "a producer must not set the timestamp type to LogAppendTime"
	}
	if int32(binary.BigEndian.Uint32(raw[lastDeltaAt:])) < 0 {
		return kerr.InvalidRecord, "a batch must have a record"
	}
	if at := int64(binary.BigEndian.Uint64(raw[maxTimestampAt:])); at > latest.UnixMilli() {
		return kerr.InvalidTimestamp, "a record is of " + time.UnixMilli(at).UTC().Format(time.RFC3339) +
			", more than an hour ahead: the clock of its producer, or that of the broker, is wrong"
	}
	return nil, ""
}

func refuseProduce(r *kmsg.ProduceRequest, code *kerr.Error, why string) (kmsg.Response, error) {
	if r.Acks == 0 {
		return nil, errors.New(why) // nobody reads an answer: the connection is closed, as Kafka does
	}
	resp := r.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range r.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode, rp.ErrorMessage = p.Partition, code.Code, &why
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp, nil
}
