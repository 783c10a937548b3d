package cassandra

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/gocql/gocql"

	"github.com/refold/refold/projections/store"
)

// buckets is how many parts the rows of a task fall into, each of which Cassandra keeps together. Cassandra wants less
// than 10 MB in each, which is 640 MB in a task.
const buckets = 64

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// bucketOf returns the bucket of a row. Rows of one partition key are in one bucket, so that to range over them is to
// read there alone.
func bucketOf(key []byte) int {
	partition, _, _ := bytes.Cut(key, []byte{0})
	return int(crc32.Checksum(partition, castagnoli) % buckets)
}

// reader reads one generation as it is. It implements store.Reader.
type reader struct {
	stores     *Stores
	generation store.Generation
	// do does something, with as much patience as the reader has.
	do func(func(context.Context) error) error
}

// Checkpoint implements store.Reader.
func (r reader) Checkpoint(task int32) (c store.Checkpoint, err error) {
	err = r.do(func(ctx context.Context) error {
		var text []byte
		err := r.stores.session.Query(`SELECT checkpoint FROM checkpoints WHERE projection = ? AND generation = ? AND task = ?`,
			r.generation.Projection, r.generation.Number, task).WithContext(ctx).Scan(&text)
		if errors.Is(err, gocql.ErrNotFound) || err == nil && len(text) == 0 {
			c = store.Checkpoint{}
			return nil
		}
		if err == nil {
			if err = json.Unmarshal(text, &c); err != nil {
				err = fmt.Errorf("%w: %w", errForm, err)
			}
		}
		return err
	})
	if err != nil {
		return c, fmt.Errorf("checkpoint of task %d: %w", task, err)
	}
	return c, nil
}

// Load implements store.Reader.
func (r reader) Load(task int32, key []byte) (value []byte, err error) {
	err = r.do(func(ctx context.Context) error {
		err := r.stores.session.Query(`SELECT value FROM rows WHERE projection = ? AND generation = ? AND task = ? AND bucket = ? AND key = ?`,
			r.generation.Projection, r.generation.Number, task, bucketOf(key), key).WithContext(ctx).Scan(&value)
		switch {
		case errors.Is(err, gocql.ErrNotFound):
			value = nil
			return nil
		case err == nil && value == nil:
			value = []byte{}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load %x of task %d: %w", key, task, err)
	}
	return value, nil
}

// Scan implements store.Reader.
func (r reader) Scan(task int32, from, to []byte, fn func(key, value []byte) bool) error {
	return scan(task, span{from, to}, r.page, fn)
}

// pageRows is how many rows are read at once from a bucket, and fewRows where all buckets are read side by side.
const (
	pageRows = 1000
	fewRows  = 300
)

// page reads the first rows of a part of a bucket, up to a number of them.
func (r reader) page(task int32, bucket int, part span, most int) (page []row, err error) {
	query := `SELECT key, value FROM rows WHERE projection = ? AND generation = ? AND task = ? AND bucket = ? AND key >= ?`
	args := []any{r.generation.Projection, r.generation.Number, task, bucket, part.lower()}
	if part.to != nil {
		query += ` AND key < ?`
		args = append(args, part.to)
	}
	args = append(args, most)
	err = r.do(func(ctx context.Context) error {
		page, err = collect(ctx, r.stores.session.Query(query+` LIMIT ?`, args...).PageSize(most))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("scan task %d: %w", task, err)
	}
	return page, nil
}

// several reads some rows of a bucket; those that are not there are left out.
func (r reader) several(task int32, bucket int, keys [][]byte) (found []row, err error) {
	err = r.do(func(ctx context.Context) error {
		found, err = collect(ctx, r.stores.session.Query(
			`SELECT key, value FROM rows WHERE projection = ? AND generation = ? AND task = ? AND bucket = ? AND key IN ?`,
			r.generation.Projection, r.generation.Number, task, bucket, keys).PageSize(len(keys)))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load %d rows of task %d: %w", len(keys), task, err)
	}
	return found, nil
}

func collect(ctx context.Context, q *gocql.Query) (found []row, err error) {
	iter := q.WithContext(ctx).Iter()
	for {
		r := row{value: []byte{}}
		if !iter.Scan(&r.key, &r.value) {
			return found, iter.Close()
		}
		if r.value == nil {
			r.value = []byte{}
		}
		found = append(found, r)
	}
}

// row is a row as it is stored.
type row struct{ key, value []byte }

// span is a part of the keys: from one up to, not including, another. A nil bound is open.
type span struct{ from, to []byte }

func (s span) lower() []byte {
	if s.from == nil {
		return []byte{}
	}
	return s.from
}

// within tells whether a key lies in the span.
func (s span) within(key []byte) bool {
	return bytes.Compare(key, s.from) >= 0 && (s.to == nil || bytes.Compare(key, s.to) < 0)
}

// bucket returns the only bucket that the span can have rows in, and whether there is only one.
func (s span) bucket() (int, bool) {
	end := bytes.IndexByte(s.from, 0)
	if end < 0 || s.to == nil {
		return 0, false
	}
	// What lies below the byte after the zero begins with the same partition key.
	next := append(bytes.Clone(s.from[:end]), 1)
	return bucketOf(s.from), bytes.Compare(s.to, next) <= 0
}

// paging reads the first rows of a part of a bucket, up to a number of them.
type paging func(task int32, bucket int, part span, most int) ([]row, error)

// scan walks through all rows of a span in order of their keys.
func scan(task int32, s span, read paging, fn func(key, value []byte) bool) error {
	if bucket, one := s.bucket(); one {
		return scanOne(&cursor{read: read, task: task, bucket: bucket, left: s, most: pageRows}, fn)
	}
	var all []*cursor
	for bucket := range buckets {
		all = append(all, &cursor{read: read, task: task, bucket: bucket, left: s, most: fewRows})
	}
	return merge(all, fn)
}

func scanOne(c *cursor, fn func(key, value []byte) bool) error {
	for {
		if err := c.fill(); err != nil || len(c.page) == 0 {
			return err
		}
		if !fn(c.page[0].key, c.page[0].value) {
			return nil
		}
		c.page = c.page[1:]
	}
}

// cursor is how far a bucket was read.
type cursor struct {
	read   paging
	task   int32
	bucket int
	page   []row // read, and not walked through
	left   span  // not read
	most   int
	ended  bool // there is no more to read
}

// fill has a page to walk through, unless there is no more.
func (c *cursor) fill() (err error) {
	for len(c.page) == 0 && !c.ended {
		if c.page, err = c.read(c.task, c.bucket, c.left, c.most); err != nil {
			return err
		}
		if c.ended = len(c.page) < c.most; !c.ended {
			c.left.from = append(bytes.Clone(c.page[len(c.page)-1].key), 0)
		}
	}
	return nil
}

// atOnce is how many buckets are read side by side.
const atOnce = 16

// sideBySide does something with each of so many things, a few at a time.
func sideBySide(n int, do func(i int) error) error {
	problems := make([]error, n)
	var under sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		under.Go(func() {
			problems[i] = do(i)
			<-slots
		})
	}
	under.Wait()
	return errors.Join(problems...)
}

// merge walks through several buckets in order of their keys.
func merge(all []*cursor, fn func(key, value []byte) bool) error {
	if err := sideBySide(len(all), func(i int) error { return all[i].fill() }); err != nil {
		return err
	}
	h := newHeap(all)
	for len(h) > 0 {
		c := h[0]
		if !fn(c.page[0].key, c.page[0].value) {
			return nil
		}
		c.page = c.page[1:]
		if err := c.fill(); err != nil {
			return err
		}
		h = h.settle()
	}
	return nil
}
