package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// A record of the log is a wish: what one instance, having folded the log up to some state, wants to change about it.
// Key and value are JSON and follow the records of Confluent's own `_schemas` topic:
//
//	key                                                          value
//	{"keytype":"SCHEMA","subject":S,"version":V,"magic":1}       {"subject":S,"version":V,"id":I,"schema":T,"references":[…],"expect":N}
//	                                                             {"subject":S,"version":V,"id":I,"deleted":true,"expect":N}
//	                                                             {"subject":S,"version":V,"id":I,"deleted":true,"permanent":true,"expect":N}
//	{"keytype":"DELETE_SUBJECT","subject":S,"magic":0}           {"subject":S,"version":V,"expect":N}, V being the highest version deleted
//	                                                             {"subject":S,"version":V,"permanent":true,"expect":N}
//	{"keytype":"CONFIG","subject":S,"magic":0}                   {"subject":S,"compatibilityLevel":L,"expect":N} or {"subject":S,"deleted":true,"expect":N}
//	{"keytype":"MODE","subject":S,"magic":0}                     {"subject":S,"mode":M,"expect":N} or {"subject":S,"deleted":true,"expect":N}
//	{"keytype":"NOOP","magic":0}                                 anything: skipped
//
// Without a subject, CONFIG and MODE mean the whole registry. Two things differ from Confluent's: every value carries
// "expect", and so nothing is deleted by a record without a value.
type record struct {
	key   recordKey
	value recordValue
}

type recordKey struct {
	Kind    string `json:"keytype"`
	Subject string `json:"subject,omitempty"`
	Version int    `json:"version,omitempty"`
	Magic   int    `json:"magic"`
}

type recordValue struct {
	Subject    string      `json:"subject,omitempty"`
	Version    int         `json:"version,omitempty"`
	ID         int         `json:"id,omitempty"`
	Schema     string      `json:"schema,omitempty"`
	References []reference `json:"references,omitempty"`
	Level      string      `json:"compatibilityLevel,omitempty"`
	Mode       string      `json:"mode,omitempty"`
	Deleted    bool        `json:"deleted,omitempty"`
	Permanent  bool        `json:"permanent,omitempty"`

	// Expect is how many records had been applied to the state for which the wish was made.
	Expect int `json:"expect"`
}

// The kinds of records, as the "keytype" of their key.
const (
	kindSchema        = "SCHEMA"
	kindDeleteSubject = "DELETE_SUBJECT"
	kindConfig        = "CONFIG"
	kindMode          = "MODE"
	kindNoop          = "NOOP"
)

// newRecord makes a record whose key is that of its kind and value.
func newRecord(kind string, v recordValue) *record {
	k := recordKey{Kind: kind, Subject: v.Subject}
	if kind == kindSchema {
		k.Version, k.Magic = v.Version, 1
	}
	return &record{key: k, value: v}
}

// encoded is a record as the log has it.
type encoded struct{ key, value []byte }

func (r *record) encode() (encoded, error) {
	key, err := json.Marshal(r.key)
	if err != nil {
		return encoded{}, fmt.Errorf("encode key of %s record for %q: %w", r.key.Kind, r.key.Subject, err)
	}
	value, err := json.Marshal(r.value)
	if err != nil {
		return encoded{}, fmt.Errorf("encode value of %s record for %q: %w", r.key.Kind, r.key.Subject, err)
	}
	return encoded{key, value}, nil
}

// decodeRecord reads what encode wrote. Anything else is an error, down to an unknown member: a record that this
// program understands only in part must not be applied in part. The value of a NOOP is not looked at.
func decodeRecord(key, value []byte) (*record, error) {
	var r record
	if err := decodeStrictly(key, &r.key); err != nil {
		return nil, fmt.Errorf("key %q: %w", clip(key), err)
	}
	if r.key.Kind == kindNoop {
		return &r, nil
	}
	if err := decodeStrictly(value, &r.value); err != nil {
		return nil, fmt.Errorf("value %q: %w", clip(value), err)
	}
	if want := newRecord(r.key.Kind, r.value).key; r.key != want {
		return nil, fmt.Errorf("key %q does not belong to value %q", clip(key), clip(value))
	}
	return &r, nil
}

// decodeStrictly reads exactly one JSON object into v and refuses members that v does not have.
func decodeStrictly(text []byte, v any) error {
	if start := bytes.TrimLeft(text, " \t\r\n"); len(start) == 0 || start[0] != '{' {
		return errors.New("it does not begin as one")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something stands behind it")
	}
	return nil
}

// clip shortens a text for an error message.
func clip(text []byte) []byte {
	const most = 200
	if len(text) <= most {
		return text
	}
	return append(bytes.Clone(text[:most]), "…"...)
}
