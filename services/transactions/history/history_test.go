package history

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/refold/refold/schemas/api/bankv1"
)

func TestGapIsOfOnePartition(t *testing.T) {
	c := NewChecker()
	for _, at := range []struct {
		partition int32
		second    int64
	}{{0, 10}, {1, 12}, {0, 13}, {0, 14}} {
		c.Event(&Event{Kind: OK, Time: time.Unix(at.second, 0), Record: &Place{Partition: at.partition}})
	}
	if p, gap := c.Gap(); p != 0 || gap != 3*time.Second {
		t.Errorf("got %s of partition %d, want 3s of partition 0", gap, p)
	}
}

func TestReadReturnsWhatWasRecorded(t *testing.T) {
	var lines bytes.Buffer
	r := NewRecorder(&lines)
	record := &bankv1.Record{EventId: "e", Partition: 1, Offset: 7}
	e := Ask(&bankv1.PostEntryRequest{IdempotencyKey: "k", AccountId: "c1.main", AmountMinor: 5})
	want := []Event{r.Call(e), r.Call(e), r.Call(e), r.Call(e)}
	want[0].Accept(&bankv1.PostEntryResponse{Record: record, Replayed: true})
	want[1].Refuse("INSUFFICIENT_FUNDS", "there is less than <5>", record)
	want[2].Refuse("BUSY", "too many wait", nil)
	want[3].Doubt("OUTCOME_UNKNOWN", "retry")
	for _, e := range want {
		r.Add(e)
	}
	var got []Event
	if err := Read(&lines, func(e *Event) { got = append(got, *e) }); err != nil || r.Err() != nil || len(got) != 8 {
		t.Fatalf("got %d events, %v, %v, want 8", len(got), err, r.Err())
	}
	for i, e := range got[4:] {
		if e.Time.Before(got[i].Time) {
			t.Errorf("got an end at %s of what began at %s, want it later", e.Time, got[i].Time)
		}
		e.Time = want[i].Time
		if !reflect.DeepEqual(e, want[i]) {
			t.Errorf("got %+v, want %+v", e, want[i])
		}
	}
	if got[0].Kind != Invoke || string(got[0].Body) != `{"idempotency_key":"k","account_id":"c1.main","amount_minor":"5"}` {
		t.Errorf("got %+v, want the beginning of a call", got[0])
	}
	kinds := []Kind{got[4].Kind, got[5].Kind, got[6].Kind, got[7].Kind}
	if want := []Kind{OK, Rejected, Refused, Unknown}; !reflect.DeepEqual(kinds, want) || r.Count(Refused) != 1 {
		t.Errorf("got %s, %d refused, want %s, 1", kinds, r.Count(Refused), want)
	}
}
