package registry

import (
	"reflect"
	"strings"
	"testing"
)

func TestRecord(t *testing.T) {
	for _, c := range []struct {
		kind       string
		value      recordValue
		key, wrote string
	}{
		{kindSchema, recordValue{Subject: "s", Version: 2, ID: 7, Schema: `"int"`, References: []reference{{Name: "N", Subject: "n", Version: 1}}, Expect: 3},
			`{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}`,
			`{"subject":"s","version":2,"id":7,"schema":"\"int\"","references":[{"name":"N","subject":"n","version":1}],"expect":3}`},
		{kindSchema, recordValue{Subject: "s", Version: 2, ID: 7, Deleted: true, Permanent: true},
			`{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}`, `{"subject":"s","version":2,"id":7,"deleted":true,"permanent":true,"expect":0}`},
		{kindDeleteSubject, recordValue{Subject: "s", Version: 2, Expect: 1},
			`{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}`, `{"subject":"s","version":2,"expect":1}`},
		{kindConfig, recordValue{Level: "FULL"}, `{"keytype":"CONFIG","magic":0}`, `{"compatibilityLevel":"FULL","expect":0}`},
		{kindMode, recordValue{Subject: "s", Mode: "IMPORT"}, `{"keytype":"MODE","subject":"s","magic":0}`, `{"subject":"s","mode":"IMPORT","expect":0}`},
	} {
		r := newRecord(c.kind, c.value)
		e, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		if got := string(e.key) + " " + string(e.value); got != c.key+" "+c.wrote {
			t.Errorf("encode:\ngot  %s\nwant %s", got, c.key+" "+c.wrote)
		}
		back, err := decodeRecord(e.key, e.value)
		if err != nil || !reflect.DeepEqual(back, r) {
			t.Errorf("decode %s: got %+v, %v, want %+v", e.value, back, err, r)
		}
	}
}

func TestDecodeRecordRefuses(t *testing.T) {
	const key = `{"keytype":"MODE","magic":0}`
	for _, c := range []struct{ name, key, value string }{
		{"no key", ``, `{"mode":"IMPORT","expect":0}`},
		{"a binary key", "\x00\x01", `{"mode":"IMPORT","expect":0}`},
		{"no value, as Confluent's registry deletes", key, ``},
		{"null", key, `null`},
		{"an unknown member of the key", `{"keytype":"MODE","magic":0,"tenant":"x"}`, `{"mode":"IMPORT","expect":0}`},
		{"an unknown member of the value", key, `{"mode":"IMPORT","expect":0,"ts":1}`},
		{"something behind the value", key, `{"mode":"IMPORT","expect":0} {}`},
		{"another magic", `{"keytype":"MODE","magic":1}`, `{"mode":"IMPORT","expect":0}`},
		{"the value of another key", `{"keytype":"MODE","subject":"a","magic":0}`, `{"subject":"b","mode":"IMPORT","expect":0}`},
		{"a text far too long", key, strings.Repeat("x", 1<<16)},
	} {
		r, err := decodeRecord([]byte(c.key), []byte(c.value))
		if err == nil {
			t.Errorf("%s: got %+v, want an error", c.name, r)
		} else if len(err.Error()) > 1000 {
			t.Errorf("%s: got an error of %d bytes, want a short one", c.name, len(err.Error()))
		}
	}
}
