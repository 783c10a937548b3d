package registry

import (
	"testing"

	"github.com/refold/refold/schemas/event"
)

// FuzzCanonical brings any text into canonical form: which is a form of its own, and what was a schema before
// is one after it.
func FuzzCanonical(f *testing.F) {
	for _, name := range event.Names() {
		f.Add(event.Schema(name))
	}
	f.Add(`{"type":"enum","name":"a.E","symbols":["A"],"x":1.50}`)
	f.Add(`["null",{"type":"map","values":"int"}]`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := canonical(text)
		if err != nil {
			return
		}
		again, err := canonical(got)
		if err != nil || again != got {
			t.Errorf("canonical of %s: got %s, %v", got, again, err)
		}
	})
}

// FuzzRecord reads any bytes as a record of the log: what is one is the same when it is written again.
func FuzzRecord(f *testing.F) {
	for _, r := range []*record{
		newRecord(kindSchema, recordValue{Subject: "s", Version: 1, ID: 2, Schema: `"int"`, Expect: 3}),
		newRecord(kindConfig, recordValue{Level: "FULL"}),
		newRecord(kindDeleteSubject, recordValue{Subject: "s", Version: 1, Permanent: true}),
	} {
		e, err := r.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(e.key, e.value)
	}
	f.Add([]byte(`{"keytype":"NOOP","magic":0}`), []byte("x"))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r, err := decodeRecord(key, value)
		if err != nil {
			return
		}
		e, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeRecord(e.key, e.value)
		if err != nil {
			t.Fatalf("%s %s: %v", e.key, e.value, err)
		}
		if same, err := again.encode(); err != nil || string(same.key) != string(e.key) || string(same.value) != string(e.value) {
			t.Errorf("got %s %s, %v, want %s %s", same.key, same.value, err, e.key, e.value)
		}
	})
}
