package transactions

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// schemas is a registry in memory.
type schemas struct {
	mu    sync.Mutex
	texts []string
}

func (s *schemas) Register(_ context.Context, _, text string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.texts, text); i >= 0 {
		return i + 1, nil
	}
	s.texts = append(s.texts, text)
	return len(s.texts), nil
}

func (s *schemas) SchemaByID(_ context.Context, id int) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id < 1 || id > len(s.texts) {
		return "", fmt.Errorf("schema %d is unknown", id)
	}
	return s.texts[id-1], nil
}

// followed is a Ledger in memory.
type followed struct {
	reader  *timeline.Reader
	folders map[int32]projection.Folder

	mu    sync.Mutex
	rows  map[int32]map[string][]byte // guarded by mu
	next  map[int32]int64             // guarded by mu
	err   map[int32]error             // guarded by mu
	moved chan struct{}               // closed and made again when next or err changes; guarded by mu
}

func (b *bank) follow() *followed {
	f := &followed{
		folders: make(map[int32]projection.Folder), rows: make(map[int32]map[string][]byte),
		next: make(map[int32]int64), err: make(map[int32]error), moved: make(chan struct{}),
	}
	reader, err := timeline.NewReader(b.cluster, timeline.Config{MaxWait: 10 * time.Millisecond})
	if err != nil {
		b.t.Fatal(err)
	}
	f.reader = reader
	for p := range b.partitions {
		f.rows[p] = make(map[string][]byte)
		f.folders[p] = ledger.Definition().NewFolder(b.codec, f.Base(p))
		reader.Add(topic.Transactions, p, 0)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			batches, _ := reader.Poll(ctx)
			for _, batch := range batches {
				f.take(batch)
			}
		}
	}()
	b.t.Cleanup(func() {
		cancel()
		<-done
		reader.Close()
	})
	return f
}

func (f *followed) take(b timeline.Batch) {
	folder := f.folders[b.Partition]
	var err error
	for _, rec := range b.Records {
		if err = folder.Fold(rec); err != nil {
			break
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err[b.Partition] != nil || b.Next == 0 {
		return
	}
	if err == nil {
		err = folder.Changed(func(key, value []byte) error {
			f.rows[b.Partition][string(key)] = slices.Clone(value)
			return nil
		})
	}
	if f.err[b.Partition] = err; err == nil {
		f.next[b.Partition] = b.Next
	}
	folder.Shrink()
	close(f.moved)
	f.moved = make(chan struct{})
}

type followedBase struct {
	*followed
	partition int32
}

func (b followedBase) Load(key []byte) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rows[b.partition][string(key)], nil
}

func (f *followed) Base(partition int32) projection.Base { return followedBase{f, partition} }

func (f *followed) Ends(ctx context.Context) (cluster.Offsets, error) {
	return f.reader.Ends(ctx, topic.Transactions)
}

func (f *followed) Position(partition int32) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next[partition]
}

func (f *followed) Wait(ctx context.Context, partition int32, offset int64) error {
	for {
		f.mu.Lock()
		next, err, moved := f.next[partition], f.err[partition], f.moved
		f.mu.Unlock()
		if next >= offset || err != nil {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
