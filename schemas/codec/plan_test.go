package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/refold/refold/schemas/event"
)

// sample is a record of a schema that was published once.
type sample struct {
	schema *Schema
	value  []byte
}

// samples returns the published records of an event, oldest first.
func samples(t testing.TB, name string) (out []sample) {
	t.Helper()
	local := new(Local)
	c := New(local)
	for n := 1; ; n++ {
		path := filepath.Join("..", "event", "published", name, fmt.Sprint(n))
		text, err := os.ReadFile(path + ".avsc")
		if os.IsNotExist(err) {
			return out
		}
		body, problem := os.ReadFile(path + ".bin")
		id, registered := local.Register(t.Context(), "", string(text))
		if err != nil || problem != nil || registered != nil {
			t.Fatal(err, problem, registered)
		}
		value := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), body...)
		s, err := c.Lookup(t.Context(), value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sample{s, value})
	}
}

// few is some of an entry's fields, one of which the first entries did not have.
type few struct {
	Historical   bool              `avro:"historical"`
	OccurredAt   event.Micros      `avro:"occurred_at"`
	CommandHash  event.CommandHash `avro:"command_hash"`
	Kind         string            `avro:"kind"`
	ReversesKind string            `avro:"reverses_kind"`
	InboxNext    int64             `avro:"inbox_next"`
	Legs         []struct {
		AccountID string `avro:"account_id"`
		LimitDay  int64  `avro:"limit_day"`
	} `avro:"legs"`
}

// concerning is embedded, as views often are.
type concerning struct{ base }

type base struct {
	PartitionSeq int64  `avro:"partition_seq"`
	CustomerID   string `avro:"customer_id"`
}

// held holds a View against the library, for one sample after the other: all of them, and every beginning.
func held[E any](t *testing.T, name string) {
	t.Helper()
	var v View[E]
	all := samples(t, name)
	if len(all) == 0 {
		t.Fatalf("%s: nothing is published", name)
	}
	oldest := all[0]
	for n, s := range append(all, oldest) { // after the newest, whose fields it lacks
		var want E
		if err := s.schema.View(s.value, &want); err != nil {
			t.Fatal(err)
		}
		got, err := v.Read(s.schema, s.value)
		if err != nil || fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%s %d: got %+v, %v, want %+v", name, n+1, got, err, want)
		}
		if v.steps == nil {
			t.Errorf("%s %d: there is no plan for it", name, n+1)
		}
		for end := headerSize; end < len(s.value); end++ {
			if got, err := v.Read(s.schema, s.value[:end]); err == nil {
				t.Errorf("%s %d cut to %d bytes: got %+v", name, n+1, end, got)
			}
		}
		if got, err := v.Read(s.schema, append(s.value, 0)); err == nil {
			t.Errorf("%s %d with a byte more: got %+v", name, n+1, got)
		}
	}
}

func TestPlansReadWhatTheLibraryReads(t *testing.T) {
	held[event.AccountOpened](t, event.NameAccountOpened)
	held[event.EntryPosted](t, event.NameEntryPosted)
	held[few](t, event.NameEntryPosted)
	held[event.HoldPlaced](t, event.NameHoldPlaced)
	held[concerning](t, event.NameCommandRejected)
	held[event.TransferSettled](t, event.NameTransferSettled)
}

// Views that read together have each what it reads alone.
func TestReadTogether(t *testing.T) {
	for n, s := range samples(t, event.NameEntryPosted) {
		var one, alone View[few]
		var other, lonely View[event.EntryPosted]
		var third, solitary View[concerning]
		joint := Join([]Fields{&one, &other, &third})
		for range 2 {
			if err := joint.Fill(s.schema, s.value); err != nil || joint.steps == nil {
				t.Fatal(n, err, joint.steps)
			}
			if err := errors.Join(alone.Fill(s.schema, s.value), lonely.Fill(s.schema, s.value), solitary.Fill(s.schema, s.value)); err != nil {
				t.Fatal(err)
			}
			got, want := fmt.Sprintf("%+v %+v %+v", one.Event(), other.Event(), third.Event()), fmt.Sprintf("%+v %+v %+v", alone.Event(), lonely.Event(), solitary.Event())
			if got != want {
				t.Errorf("entry %d: got %s, want %s", n, got, want)
			}
			one.Event().Legs, other.Event().Legs[0].AccountID = nil, "" // folds may do as they like
		}
	}
}

// A View reads entries of any length in any order, whatever was done with what it returned before.
func TestAViewKeepsNothingOfTheValueBefore(t *testing.T) {
	local := new(Local)
	c := New(local)
	e, err := c.Encoder(t.Context(), "topic", event.NameEntryPosted)
	if err != nil {
		t.Fatal(err)
	}
	var v View[few]
	for _, legs := range []int{1, 0, 7, 2, 30, 1} {
		in := event.EntryPosted{Kind: event.EntryFee}
		for n := range legs {
			in.Legs = append(in.Legs, event.Leg{AccountID: fmt.Sprint("a", n), LimitDay: int64(n)})
		}
		value, err := e.Append(nil, &in)
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Lookup(t.Context(), value)
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Read(s, value)
		if err != nil || len(got.Legs) != legs {
			t.Fatalf("got %+v, %v, want %d legs", got, err, legs)
		}
		for n, l := range got.Legs {
			if l.AccountID != in.Legs[n].AccountID || l.LimitDay != int64(n) {
				t.Errorf("leg %d of %d: got %+v", n, legs, l)
			}
		}
		got.Legs = nil
	}
}

func TestAReadMakesNoAllocation(t *testing.T) {
	s := samples(t, event.NameEntryPosted)
	last := s[len(s)-1]
	var v View[few]
	if n := testing.AllocsPerRun(100, func() { _, _ = v.Read(last.schema, last.value) }); n != 0 {
		t.Errorf("a view makes %v allocations, want 0", n)
	}
}

// What a struct does not name need not be there, and what it names must be.
func TestAWriterMayLackWhatIsNotNamed(t *testing.T) {
	local := new(Local)
	c := New(local)
	const short = `{"type":"record","name":"EntryPosted","namespace":"bank","fields":[{"name":"customer_id","type":"string"}]}`
	id, err := local.Register(t.Context(), "", short)
	if err != nil {
		t.Fatal(err)
	}
	value := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), 4, 'c', '1')
	s, err := c.Lookup(t.Context(), value)
	if err != nil {
		t.Fatal(err)
	}
	var named View[struct {
		CustomerID string `avro:"customer_id"`
		Merchant   string `avro:"merchant"`
	}]
	if got, err := named.Read(s, value); err != nil || got.CustomerID != "c1" || got.Merchant != "" {
		t.Errorf("got %+v, %v", got, err)
	}
	var missing View[struct {
		EventID string `avro:"event_id"`
	}]
	if got, err := missing.Read(s, value); err == nil {
		t.Errorf("a field without default that is not there: got %+v", got)
	}
}

func BenchmarkRead(b *testing.B) {
	s := samples(b, event.NameEntryPosted)
	last := s[len(s)-1]
	var v View[few]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Read(last.schema, last.value); err != nil {
			b.Fatal(err)
		}
	}
}
