package transactions

import (
	"context"
	"math"
	"time"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/schemas/event"
)

const (
	second = event.Micros(time.Second / time.Microsecond)
	// firstResend is the age at which a transfer that has not ended is sent again; each next one is half as
	// much older than the one before.
	firstResend = second
	// pendingAlarm is the age from which on a transfer that has not ended is an alarm.
	pendingAlarm = time.Minute
	alarmEvery   = time.Minute
	// resendAllEvery is how often all are sent again while the log is ahead of the clock: its time stands still,
	// and with it every age.
	resendAllEvery = time.Minute
	// maxLogAhead is how far the time of the log may be ahead of the clock before that is an alarm.
	maxLogAhead = time.Hour
)

// outbox sends the transfers of a partition again that have not ended, until ctx ends.
func (r *relay) outbox(ctx context.Context, p int32) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var looked event.Micros
	var rung time.Time
	all := time.Now()
	for {
		v := r.saved(ctx, p)
		now := v.logTime()
		if now > event.MicrosOf(time.Now()) && time.Since(all) > resendAllEvery {
			looked, all = 0, time.Now()
		}
		looked = r.resendAged(ctx, v, looked, now)
		if time.Since(rung) > alarmEvery && (r.alarm(v, now) || r.ahead(p, now)) {
			rung = time.Now()
		}
		if v.err != nil {
			r.cfg.Log.Warn("the transfers on their way cannot be read", "partition", p, "error", v.err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// logTime is the present, and never before the time of the last record.
func (v *view) logTime() event.Micros {
	now := event.MicrosOf(time.Now())
	if head := v.row(ledger.HeadKey()).Head; head != nil {
		now = max(now, head.RecordedAt)
	}
	return now
}

// aged calls fn for the transfers on their way that have reached one of the ages of a resend since it was last
// looked, or for all where that is 0, until it returns false.
func (v *view) aged(looked, now event.Micros, fn func(ledger.Item) bool) {
	if looked == 0 {
		v.items(ledger.PendingTransfers, window{to: math.MaxInt64}, fn)
		return
	}
	days := v.row(ledger.DaysKey(ledger.PendingTransfers)).Index
	if days == nil || len(days.Times) == 0 {
		return
	}
	for age := firstResend; now-age >= days.Times[0].At; age += age / 2 {
		v.items(ledger.PendingTransfers, window{after: looked - age, to: now - age}, fn)
	}
}

// resendAged sends the transfers again that have reached an age for it since it was last looked. It returns up to
// when they were: where rows could not be read, some were not, and would come to their next age only. For the same
// reason it waits where more are to be sent than mail takes at once, as when a partition is taken over.
func (r *relay) resendAged(ctx context.Context, v *view, looked, now event.Micros) event.Micros {
	v.aged(looked, now, func(i ledger.Item) bool { return r.resend(ctx, v, i) })
	if v.err != nil {
		return looked
	}
	return now
}

func (r *relay) resend(ctx context.Context, v *view, i ledger.Item) bool {
	var err error
	if e, offset := v.sentTransfer(i.AccountID, i.ID); e != nil {
		err = r.sendInTurn(ctx, r.request(e, offset))
	}
	return v.err == nil && err == nil
}

// alarm tells of the oldest transfer that is on its way for too long. It reports whether there is one.
func (r *relay) alarm(v *view, now event.Micros) bool {
	var oldest ledger.Item
	v.items(ledger.PendingTransfers, window{to: now - event.Micros(pendingAlarm/time.Microsecond)}, func(i ledger.Item) bool {
		oldest = i
		return false
	})
	if oldest.ID == "" {
		return false
	}
	r.cfg.Log.Error("a transfer is on its way for long", "partition", v.partition, "account", oldest.AccountID,
		"transfer", oldest.ID, "age", time.Duration(now-oldest.At)*time.Microsecond)
	return true
}

// ahead tells that the log's time is ahead of this clock: its records were written by a clock that was wrong, or
// this one is. Time goes on from there by a microsecond with each record. It reports whether it is so.
func (r *relay) ahead(p int32, logTime event.Micros) bool {
	by := time.Until(logTime.Time())
	if by > maxLogAhead {
		r.cfg.Log.Error("the log is ahead of the clock", "partition", p, "by", by)
	}
	return by > maxLogAhead
}

// sentTransfer returns the entry that sent a transfer to another partition, and its offset; nil where there is
// none.
func (v *view) sentTransfer(account, id string) (*event.EntryPosted, int64) {
	customer, _ := customerOf(account)
	o := v.row(ledger.EntryKey(customer, id)).Outcome
	if o == nil {
		return nil, 0
	}
	e, ok := v.fact(o).(*event.EntryPosted)
	if !ok || !sent(e) || e.Legs[0].AccountID != account {
		return nil, 0
	}
	return e, o.Offset
}
