package ledger

// Which holds are due next, and which transfers are on their way, is found from the top down: the first row
// of an index lists the days of its items, a day's row the minutes, a minute's row the items. So a partition
// with any number of them has small rows, and the first of them are found by reading three, without a scan.

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
)

// The indexes of a partition.
const (
	DueHolds         = "@due"     // open holds by the time at which they expire
	PendingTransfers = "@transit" // transfers to other partitions that have not ended, by the time at which they were sent
)

// Index is a part of an index: times, or items.
type Index struct {
	Times []IndexTime `avro:"times"` // in order
	Items []Item      `avro:"items"` // in the order in which they came
}

// IndexTime is the day or the minute that begins at a time, and how many items are in it.
type IndexTime struct {
	At    event.Micros `avro:"at"`
	Count int64        `avro:"count"`
}

// Item names what is indexed: a hold of an account, or a transfer from it.
type Item struct {
	AccountID string       `avro:"account_id"`
	ID        string       `avro:"id"`
	At        event.Micros `avro:"at"`
}

// How much of an index a row of times is about, and one of items.
const (
	Day    = event.Micros(24 * time.Hour / time.Microsecond)
	Minute = event.Micros(time.Minute / time.Microsecond)
)

// DaysKey is the key of the days of an index.
func DaysKey(index string) projection.Key { return projection.Key{Partition: index} }

// DayKey is the key of the minutes of a day of an index.
func DayKey(index string, at event.Micros) projection.Key {
	return projection.Key{Partition: index, Sort: daySort(at)}
}

// MinuteKey is the key of the items of a minute of an index.
func MinuteKey(index string, at event.Micros) projection.Key {
	return projection.Key{Partition: index, Sort: minuteSort(at)}
}

func daySort(at event.Micros) string { return indexSort("d", start(at, Day)) }

func minuteSort(at event.Micros) string { return indexSort("m", start(at, Minute)) }

func indexSort(kind string, at event.Micros) string {
	return string(binary.BigEndian.AppendUint64([]byte(kind), uint64(at)))
}

// keys adds every row of an index that knows of an item.
func (i Item) keys(index string, k *projection.Keys) {
	k.Add(index, "")
	k.Add(index, daySort(i.At))
	k.Add(index, minuteSort(i.At))
}

func start(at, long event.Micros) event.Micros { return at - at%long }

func (r *Row) index() *Index {
	if r.Index == nil {
		r.Index = &Index{}
	}
	return r.Index
}

// timeOf returns the time that a row of times counts an item under; false for a row of items.
func timeOf(sort string, i Item) (event.Micros, bool) {
	switch {
	case sort == "":
		return start(i.At, Day), true
	case sort[0] == 'd':
		return start(i.At, Minute), true
	}
	return 0, false
}

func (x *Index) add(sort string, item Item) {
	at, counted := timeOf(sort, item)
	if !counted {
		x.Items = append(x.Items, Item{AccountID: strings.Clone(item.AccountID), ID: strings.Clone(item.ID), At: item.At})
		return
	}
	i, found := x.find(at)
	if !found {
		x.Times = slices.Insert(x.Times, i, IndexTime{At: at})
	}
	x.Times[i].Count++
}

func (x *Index) remove(sort string, item Item) error {
	at, counted := timeOf(sort, item)
	if !counted {
		n := len(x.Items)
		x.Items = slices.DeleteFunc(x.Items, func(o Item) bool { return o == item })
		return item.known(len(x.Items) < n)
	}
	i, found := x.find(at)
	if !found {
		return item.known(false)
	}
	if x.Times[i].Count--; x.Times[i].Count == 0 {
		x.Times = slices.Delete(x.Times, i, i+1)
	}
	return nil
}

func (x *Index) find(at event.Micros) (int, bool) {
	return slices.BinarySearchFunc(x.Times, at, func(t IndexTime, at event.Micros) int { return cmp.Compare(t.At, at) })
}

func (i Item) known(is bool) error {
	if is {
		return nil
	}
	return fmt.Errorf("%w: %s of account %s is not open", ErrBroken, i.ID, i.AccountID)
}
