package codec_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
)

// eventStruct makes and fills the struct of an event.
type eventStruct struct {
	empty func() any
	// view reads a value with a new View.
	view func(s *codec.Schema, value []byte) (any, error)
}

func structOf[E any]() eventStruct {
	return eventStruct{
		empty: func() any { return new(E) },
		view: func(s *codec.Schema, value []byte) (any, error) {
			var v codec.View[E]
			return v.Read(s, value)
		},
	}
}

var structs = map[string]eventStruct{
	event.NameAccountOpened:   structOf[event.AccountOpened](),
	event.NameAccountFrozen:   structOf[event.AccountFrozen](),
	event.NameAccountUnfrozen: structOf[event.AccountUnfrozen](),
	event.NameAccountClosed:   structOf[event.AccountClosed](),
	event.NameHoldPlaced:      structOf[event.HoldPlaced](),
	event.NameHoldReleased:    structOf[event.HoldReleased](),
	event.NameHoldExpired:     structOf[event.HoldExpired](),
	event.NameEntryPosted:     structOf[event.EntryPosted](),
	event.NameCommandRejected: structOf[event.CommandRejected](),
	event.NameTransferSettled: structOf[event.TransferSettled](),

	event.NameRewardRedemptionRequested: structOf[event.RewardRedemptionRequested](),
	event.NameTransferRelayed:           structOf[event.TransferRelayed](),
	event.NameNotificationRequested:     structOf[event.NotificationRequested](),
	event.NameNotificationRead:          structOf[event.NotificationRead](),
	event.NamePreferencesSet:            structOf[event.PreferencesSet](),
	event.NameActRecorded:               structOf[event.ActRecorded](),
	event.NameRoundEnded:                structOf[event.RoundEnded](),
}

// empty returns a new, empty event of a name.
func empty(name string) any { return structs[name].empty() }

// published calls fn for the newest published sample of every event.
func published(f *testing.F, fn func(event int, body []byte)) {
	f.Helper()
	for n, name := range event.Names() {
		samples, err := filepath.Glob("../event/published/" + name + "/*.bin")
		if err != nil || len(samples) == 0 {
			f.Fatalf("%s: got %d samples, %v", name, len(samples), err)
		}
		body, err := os.ReadFile(samples[len(samples)-1])
		if err != nil {
			f.Fatal(err)
		}
		fn(n, body)
	}
}

// FuzzEvent reads any bytes as every kind of event: with and without copies and by a plan alike, to what gives the same event
// when it is written and read again, and to what the other Avro library says.
func FuzzEvent(f *testing.F) {
	published(f, func(n int, body []byte) { f.Add(byte(n), body) })
	local := new(codec.Local)
	c := codec.New(local)
	f.Fuzz(func(t *testing.T, which byte, body []byte) {
		name := event.Names()[int(which)%len(event.Names())]
		encoder, err := c.Encoder(t.Context(), "topic", name)
		if err != nil {
			t.Fatal(err)
		}
		id, err := local.Register(t.Context(), "", event.Schema(name))
		if err != nil {
			t.Fatal(err)
		}
		value := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), body...)
		s, err := c.Lookup(t.Context(), value)
		if err != nil {
			t.Fatal(err)
		}
		decoded, viewed := empty(name), empty(name)
		err = s.Decode(value, decoded)
		if seen := s.View(value, viewed); (err == nil) != (seen == nil) || err == nil && !reflect.DeepEqual(decoded, viewed) {
			t.Fatalf("decoded %+v, %v; viewed %+v, %v", decoded, err, viewed, seen)
		}
		planned, seen := structs[name].view(s, value)
		if (err == nil) != (seen == nil) || err == nil && fmt.Sprintf("%+v", decoded) != fmt.Sprintf("%+v", planned) {
			t.Fatalf("decoded %+v, %v; planned %+v, %v", decoded, err, planned, seen)
		}
		_, text, second := c.JSON(t.Context(), value)
		if err != nil {
			return // the other library takes numbers that are longer than 64 bits
		}
		written, err := encoder.Append(nil, decoded)
		if err != nil {
			t.Fatalf("write %+v: %v", decoded, err)
		}
		again := empty(name)
		if err := s.Decode(written, again); err != nil || !reflect.DeepEqual(again, decoded) {
			t.Errorf("got %+v, %v, want %+v", again, err, decoded)
		}
		// The other library is stricter about how a value is spelled, so it may refuse what it takes when it is
		// written again: a byte other than 0 and 1 is true to the first one.
		if _, same, err := c.JSON(t.Context(), written); err != nil || second == nil && string(same) != string(text) {
			t.Errorf("the other library: got %s, %v, want %s", same, err, text)
		}
	})
}

// FuzzWireFormat looks up any bytes.
func FuzzWireFormat(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 2})
	f.Add([]byte{})
	c := codec.New(new(codec.Local))
	f.Fuzz(func(t *testing.T, value []byte) {
		id, err := codec.SchemaID(value)
		if err == nil && (value[0] != 0 || int(binary.BigEndian.Uint32(value[1:])) != id) {
			t.Errorf("got schema %d of %x", id, value)
		}
		if s, err := c.Lookup(t.Context(), value); err == nil {
			t.Errorf("got %s, although there is no schema", s.Name)
		}
	})
}
