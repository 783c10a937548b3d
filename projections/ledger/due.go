package ledger

// Which holds are due next is found from the top down: the first row lists the days on which open holds
// expire, a day's row the minutes, a minute's row the holds. So a partition with any number of holds has
// small rows, and what is due is found by reading three of them, without a scan.

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

// Due is a part of the index of open holds by the time at which they expire: times, or holds.
type Due struct {
	Times []DueTime `avro:"times"` // in order
	Holds []DueHold `avro:"holds"` // in the order in which they were placed
}

// DueTime is the day or the minute that begins at a time, and how many open holds expire in it.
type DueTime struct {
	At    event.Micros `avro:"at"`
	Count int64        `avro:"count"`
}

// DueHold names an open hold.
type DueHold struct {
	AccountID string       `avro:"account_id"`
	HoldID    string       `avro:"hold_id"`
	ExpiresAt event.Micros `avro:"expires_at"`
}

const (
	dayLong    = event.Micros(24 * time.Hour / time.Microsecond)
	minuteLong = event.Micros(time.Minute / time.Microsecond)
)

// DaysKey is the key of the days on which open holds expire.
func DaysKey() projection.Key { return projection.Key{Partition: duePartition} }

// DayKey is the key of the minutes of a day in which open holds expire.
func DayKey(at event.Micros) projection.Key {
	return projection.Key{Partition: duePartition, Sort: dueDay(at)}
}

// MinuteKey is the key of the open holds that expire in a minute.
func MinuteKey(at event.Micros) projection.Key {
	return projection.Key{Partition: duePartition, Sort: dueMinute(at)}
}

func dueDay(at event.Micros) string { return dueSort("d", start(at, dayLong)) }

func dueMinute(at event.Micros) string { return dueSort("m", start(at, minuteLong)) }

func dueSort(kind string, at event.Micros) string {
	return string(binary.BigEndian.AppendUint64([]byte(kind), uint64(at)))
}

func start(at, long event.Micros) event.Micros { return at - at%long }

func (r *Row) due() *Due {
	if r.Due == nil {
		r.Due = &Due{}
	}
	return r.Due
}

// timeOf returns the time that a row of times counts a hold under; false for a row of holds.
func timeOf(sort string, h held) (event.Micros, bool) {
	switch {
	case sort == "":
		return start(h.expiresAt, dayLong), true
	case sort[0] == 'd':
		return start(h.expiresAt, minuteLong), true
	}
	return 0, false
}

func (d *Due) add(sort string, h held) {
	at, counted := timeOf(sort, h)
	if !counted {
		d.Holds = append(d.Holds, DueHold{AccountID: strings.Clone(h.account), HoldID: strings.Clone(h.id), ExpiresAt: h.expiresAt})
		return
	}
	i, found := d.find(at)
	if !found {
		d.Times = slices.Insert(d.Times, i, DueTime{At: at})
	}
	d.Times[i].Count++
}

func (d *Due) remove(sort string, h held) error {
	at, counted := timeOf(sort, h)
	if !counted {
		n := len(d.Holds)
		d.Holds = slices.DeleteFunc(d.Holds, func(o DueHold) bool { return o.AccountID == h.account && o.HoldID == h.id })
		return h.known(len(d.Holds) < n)
	}
	i, found := d.find(at)
	if !found {
		return h.known(false)
	}
	if d.Times[i].Count--; d.Times[i].Count == 0 {
		d.Times = slices.Delete(d.Times, i, i+1)
	}
	return nil
}

func (d *Due) find(at event.Micros) (int, bool) {
	return slices.BinarySearchFunc(d.Times, at, func(t DueTime, at event.Micros) int { return cmp.Compare(t.At, at) })
}

func (h held) known(is bool) error {
	if is {
		return nil
	}
	return fmt.Errorf("%w: hold %s of account %s is not open", ErrBroken, h.id, h.account)
}
