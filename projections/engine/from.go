package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/position"
)

// ErrWish is wrapped where a replay is wanted that cannot be. Its text says why.
var ErrWish = errors.New("no such replay can be")

// Words for where a replay begins.
const (
	FromBeginning = "beginning"
	FromSnapshot  = "snapshot"
)

// choose returns the snapshot that a replay of d begins with: the newest of the same version and hash that
// lies at or before the wanted point on every partition, nil where there is none. Rows are never begun in
// the middle of the log without those that were folded before it.
func (e *Engine) choose(ctx context.Context, p acts.Projection, d *projection.Definition, from string) (*event.ActRecorded, error) {
	if from == "" || from == FromBeginning {
		return nil, nil
	}
	named, byName := strings.CutPrefix(from, FromSnapshot+":")
	var wanted map[string]cluster.Offsets
	if from != FromSnapshot && !byName {
		var err error
		if wanted, err = e.wanted(ctx, d.Sources, from); err != nil {
			return nil, err
		}
	}
	for _, s := range slices.Backward(p.Snapshots) {
		if byName && s.Snapshot != named || s.Version != d.Version || s.Hash != d.Hash {
			continue
		}
		if before(s.Positions, wanted) && e.hasSnapshot(d.Name, s.Snapshot) {
			return &s, nil
		}
	}
	if byName {
		return nil, fmt.Errorf("%w: there is no snapshot %q of version %d of %s here", ErrWish, named, d.Version, d.Name)
	}
	return nil, nil
}

// before tells whether a vector lies at or before another on each of its partitions; of a topic that the other does not
// name it does.
func before(at []event.TopicPosition, wanted map[string]cluster.Offsets) bool {
	return !slices.ContainsFunc(at, func(p event.TopicPosition) bool {
		offsets, ok := wanted[p.Topic]
		return ok && p.Offset > offsets[p.Partition]
	})
}

// wanted returns the offsets that the words mean, by topic: a time is one in all topics, an offset one of the first.
func (e *Engine) wanted(ctx context.Context, topics []string, from string) (map[string]cluster.Offsets, error) {
	client, err := e.cfg.Cluster.Client()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	at, isTime := timeOf(from, time.Now())
	if isTime && at.After(time.Now()) {
		return nil, fmt.Errorf("%w: from %q lies in the future", ErrWish, from)
	}
	if isTime {
		out := make(map[string]cluster.Offsets)
		for _, topic := range topics {
			if out[topic], err = cluster.At(ctx, client, topic, at); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	topic := topics[0]
	ends, err := cluster.Ends(ctx, client, topic)
	if err != nil {
		return nil, err
	}
	offset, problem := strconv.ParseInt(from, 10, 64)
	token, none := position.Decode(from)
	for p := range ends {
		switch {
		case problem == nil && offset >= 0:
			ends[p] = offset
		case none == nil && len(token.Positions) > 0:
			ends[p] = token.Positions[position.Partition{Topic: topic, Partition: p}]
		default:
			return nil, fmt.Errorf("%w: from %q is no beginning, snapshot, snapshot:NAME, offset, position token, time (RFC 3339) or duration such as -24h", ErrWish, from)
		}
	}
	return map[string]cluster.Offsets{topic: ends}, nil
}

// timeOf returns the time that the words mean, where they mean one.
func timeOf(from string, now time.Time) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, from); err == nil {
		return t, true
	}
	ago, err := time.ParseDuration(from)
	return now.Add(ago), err == nil && ago < 0
}
