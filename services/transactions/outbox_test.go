package transactions

import (
	"errors"
	"strings"
	"testing"

	"github.com/refold/refold/projections/ledger"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

// The alarm rings for what is on its way for long, and names the oldest.
func TestXP5AlarmOnAge(t *testing.T) {
	said := &strings.Builder{}
	i := apart(t, &lossy{}, loggingTo(said))
	id := i.sent(payer, receiver, "t", 1)
	i.until(func() bool { return i.transferOf(payer, id) != nil })
	r := &relay{Server: i.Server}
	v := i.saved(t.Context(), i.home(payer))
	if r.alarm(v, v.logTime()) {
		t.Error("it rings at once")
	}
	if !r.alarm(v, v.logTime()+120*second) || !strings.Contains(said.String(), id) {
		t.Errorf("after two minutes: it said %q, want that %s is on its way", said, id)
	}
}

// full is mail with room for none of what is not sent in turn to a partition.
type full struct {
	Mail
	to int32
}

func (f full) Send(partition int32, key, value []byte) {
	if partition != f.to {
		f.Mail.Send(partition, key, value)
	}
}

// However many transfers are on their way when a partition is taken over, mail takes their requests: one that it had
// no room for would come with its next age only.
func TestXP5ResendsWaitForRoom(t *testing.T) {
	b := newBank(t, 2)
	b.mail = func(m Mail) Mail { return full{m, topic.Of("c4", 2)} }
	i := b.start()
	i.open(payer)
	i.open(receiver)
	i.posted(deposit(payer, "d", 100))
	if got := i.ended(payer, i.sent(payer, receiver, "t", 1)); got.GetState() != settled {
		t.Errorf("got %v, want it settled", got)
	}
}

// What could not be read is looked at again, and not when it has come to its next age.
func TestResendsWhatCouldNotBeRead(t *testing.T) {
	v := &view{partition: 1, now: noon, rows: unreadable{}}
	if got := new(relay).resendAged(t.Context(), v, 5, noon); got != 5 || v.err == nil {
		t.Errorf("got that all is sent up to %d, %v, want 5", got, v.err)
	}
	v = &view{partition: 1, now: noon, rows: table{}}
	if got := new(relay).resendAged(t.Context(), v, 5, noon); got != noon {
		t.Errorf("got that all is sent up to %d, want %d", got, noon)
	}
}

// unreadable are rows that cannot be read.
type unreadable struct{ table }

func (unreadable) row(projection.Key) (*ledger.Row, error) { return nil, errors.New("unreadable") }

func TestAgesAtWhichATransferIsSentAgain(t *testing.T) {
	rows := table{}
	at := noon
	rows[ledger.DaysKey(ledger.PendingTransfers)] = &ledger.Row{Index: &ledger.Index{Times: []ledger.IndexTime{{At: at - at%ledger.Day, Count: 1}}}}
	rows[ledger.DayKey(ledger.PendingTransfers, at)] = &ledger.Row{Index: &ledger.Index{Times: []ledger.IndexTime{{At: at - at%ledger.Minute, Count: 1}}}}
	rows[ledger.MinuteKey(ledger.PendingTransfers, at)] = &ledger.Row{Index: &ledger.Index{Items: []ledger.Item{{AccountID: payer, ID: "t", At: at}}}}
	v := &view{now: noon, rows: rows}
	var ages []event.Micros
	for age := event.Micros(0); age < 3600*second; age += second {
		v.aged(at+age-second, at+age, func(ledger.Item) bool {
			ages = append(ages, age/second)
			return true
		})
	}
	taken := 0
	v.aged(0, at, func(ledger.Item) bool { taken++; return true })
	if taken != 1 {
		t.Errorf("when a partition is taken over %d are sent again, want all", taken)
	}
	if len(ages) < 15 || len(ages) > 25 || ages[0] != 1 || ages[1] != 2 {
		t.Errorf("in an hour it is sent again after %v s, want about 20 times, first after 1 and 2", ages)
	}
}
