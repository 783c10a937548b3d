package registry

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const globalMode = `{"keytype":"MODE","magic":0}`

// TestFoldRefusesStale folds two wishes made for one state: the first wins, and the second changes nothing.
func TestFoldRefusesStale(t *testing.T) {
	log := &memLog{gap: 1}
	first := log.add(t, globalMode, `{"mode":"READONLY","expect":0}`)
	late := log.add(t, globalMode, `{"mode":"IMPORT","expect":0}`)
	noop := log.add(t, `{"keytype":"NOOP","magic":0}`, ``)
	next := log.add(t, `{"keytype":"MODE","subject":"s","magic":0}`, `{"subject":"s","mode":"IMPORT","expect":1}`)
	st := log.replay(t)
	if got, want := st.applied, []int64{first, next}; !reflect.DeepEqual(got, want) {
		t.Errorf("applied offsets: got %v, want %v", got, want)
	}
	for offset, want := range map[int64]bool{first: true, late: false, noop: false, next: true} {
		if got := st.wasApplied(offset); got != want {
			t.Errorf("offset %d applied: got %v, want %v", offset, got, want)
		}
	}
	if got, want := st.modes, map[string]string{"": modeReadOnly, "s": modeImport}; !reflect.DeepEqual(got, want) {
		t.Errorf("modes: got %v, want %v", got, want)
	}
	if got, want := st.next, next+1; got != want {
		t.Errorf("next offset: got %d, want %d", got, want)
	}
}

// TestFoldStops lists records that no instance can have written at that place of a whole log.
func TestFoldStops(t *testing.T) {
	const schemaKey = `{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}`
	for _, c := range []struct{ name, key, value, want string }{
		{"a lost record", globalMode, `{"mode":"IMPORT","expect":2}`, "lost records"},
		{"an unknown kind", `{"keytype":"CONTEXT","magic":0}`, `{"expect":1}`, "CONTEXT"},
		{"no JSON", globalMode, `IMPORT`, "begin"},
		{"an unknown mode", globalMode, `{"mode":"SLEEP","expect":1}`, "SLEEP"},
		{"an unknown level", `{"keytype":"CONFIG","magic":0}`, `{"compatibilityLevel":"SOME","expect":1}`, "SOME"},
		{"an id of another schema", schemaKey, `{"subject":"s","version":2,"id":1,"schema":"\"long\"","expect":1}`, "id 1"},
		{"no id", schemaKey, `{"subject":"s","version":2,"schema":"\"long\"","expect":1}`, "id 0"},
		{"a version that is there", `{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}`, `{"subject":"s","version":1,"id":2,"schema":"\"long\"","expect":1}`, "version 1"},
		{"version 0", `{"keytype":"SCHEMA","subject":"s","magic":1}`, `{"subject":"s","id":2,"schema":"\"long\"","expect":1}`, "version 0"},
		{"a reference to nothing", schemaKey, `{"subject":"s","version":2,"id":2,"schema":"\"N\"","references":[{"name":"N","subject":"n","version":1}],"expect":1}`, `"n"`},
		{"the deletion of nothing", schemaKey, `{"subject":"s","version":2,"id":2,"deleted":true,"expect":1}`, "version 2"},
		{"the deletion of no subject", `{"keytype":"DELETE_SUBJECT","subject":"n","magic":0}`, `{"subject":"n","version":1,"expect":1}`, "version 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := &memLog{}
			log.add(t, `{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}`, `{"subject":"s","version":1,"id":1,"schema":"\"int\"","expect":0}`)
			st := log.replay(t)
			err := st.fold(41, []byte(c.key), []byte(c.value))
			if err == nil || !strings.Contains(err.Error(), "offset 41") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("fold: got %v, want an error with %q and the offset", err, c.want)
			}
			if want := log.replay(t); !reflect.DeepEqual(st, want) {
				t.Errorf("state after the error: got %+v, want it unchanged, %+v", st, want)
			}
		})
	}
}

// TestFoldOrder folds an offset twice.
func TestFoldOrder(t *testing.T) {
	st := emptyState()
	noop := []byte(`{"keytype":"NOOP","magic":0}`)
	if err := st.fold(5, noop, nil); err != nil {
		t.Errorf("fold of offset 5: got %v, want no error", err)
	}
	if err := st.fold(5, noop, nil); err == nil {
		t.Error("fold of offset 5 again: got no error, want one")
	}
}

// TestReplay compares the state of a server with that of a fold from the beginning of its log, after every kind of
// change.
func TestReplay(t *testing.T) {
	log := &memLog{}
	in := start(t, log, Config{})
	for _, request := range []string{
		"PUT /config {\"compatibility\":\"NONE\"}",
		"PUT /config/a {\"compatibility\":\"FULL\"}",
		"PUT /mode/b {\"mode\":\"IMPORT\"}",
		"POST /subjects/b/versions {\"schema\":`{\"type\":\"record\",\"name\":\"B\",\"fields\":[]}`,\"id\":9,\"version\":3}",
		"DELETE /mode/b",
		"POST /subjects/a/versions {\"schema\":`{\"type\":\"array\",\"items\":\"B\"}`,\"references\":[{\"name\":\"B\",\"subject\":\"b\",\"version\":3}]}",
		"POST /subjects/c/versions {\"schema\":`\"int\"`}",
		"POST /subjects/c/versions {\"schema\":`\"long\"`}",
		"POST /subjects/d/versions {\"schema\":`\"int\"`}",
		"DELETE /subjects/c/versions/1",
		"DELETE /subjects/c/versions/1?permanent=true",
		"DELETE /subjects/d",
		"DELETE /subjects/d?permanent=true",
		"DELETE /config/a",
		"DELETE /subjects/a",
	} {
		method, rest, _ := strings.Cut(request, " ")
		path, body, _ := strings.Cut(rest, " ")
		if status, answer := in.do(t, method, path, quoted(t, body)); status != 200 {
			t.Fatalf("%s: got %d %s, want 200", request, status, answer)
		}
	}
	in.mu.RLock()
	defer in.mu.RUnlock()
	if got, want := in.state, log.replay(t); !reflect.DeepEqual(got, want) {
		t.Errorf("state: got %+v, want that of a replay, %+v", got, want)
	}
}

// BenchmarkFold folds 1,000 registrations of schemas of 20 fields, each under a subject of its own.
func BenchmarkFold(b *testing.B) {
	const count = 1000
	var fields []string
	for i := range 20 {
		fields = append(fields, fmt.Sprintf(`{"name":"field_%d","type":["null","string"],"default":null}`, i))
	}
	var records [count]encoded
	for i := range records {
		e, err := newRecord(kindSchema, recordValue{
			Subject: fmt.Sprintf("bank.topic-%d", i), Version: 1, ID: i + 1, Expect: i,
			Schema: fmt.Sprintf(`{"type":"record","name":"R%d","fields":[%s]}`, i, strings.Join(fields, ",")),
		}).encode()
		if err != nil {
			b.Fatal(err)
		}
		records[i] = e
	}
	b.ReportAllocs()
	for b.Loop() {
		st := emptyState()
		for i, e := range records {
			if err := st.fold(int64(i), e.key, e.value); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)*count/b.Elapsed().Seconds(), "records/s")
}
