package registry

import (
	"slices"
	"testing"
)

// evolution is a change of a schema, and whether the new schema reads the old data (backward) and the other way round.
type evolution struct {
	name, before, after string
	backward, forward   bool
}

func recordOf(fields string) string { return `{"type":"record","name":"R","fields":[` + fields + `]}` }
func field(schema string) string    { return recordOf(`{"name":"f","type":` + schema + `}`) }
func enum(attributes string) string {
	return `{"type":"enum","name":"E",` + attributes + `}`
}

// evolutions follows the section "Schema Resolution" of the Avro specification, rule by rule, and the table of allowed
// changes in Confluent's documentation of schema evolution.
func evolutions() []evolution {
	return slices.Concat(fieldEvolutions(), promotionEvolutions(), nameEvolutions(), symbolEvolutions(), containerEvolutions(), unionEvolutions(), logicalEvolutions())
}

// fieldEvolutions is Confluent's table of allowed changes of fields.
func fieldEvolutions() []evolution {
	const a = `{"name":"a","type":"int"}`
	return []evolution{
		{"no change", recordOf(a), recordOf(a), true, true},
		{"add a field with a default", recordOf(a), recordOf(a + `,{"name":"b","type":"string","default":"x"}`), true, true},
		{"add a field without a default", recordOf(a), recordOf(a + `,{"name":"b","type":"string"}`), false, true},
		{"remove a field with a default", recordOf(a + `,{"name":"b","type":"string","default":"x"}`), recordOf(a), true, true},
		{"remove a field without a default", recordOf(a + `,{"name":"b","type":"string"}`), recordOf(a), true, false},
		{"add an optional field", recordOf(a), recordOf(a + `,{"name":"b","type":["null","string"],"default":null}`), true, true},
		{"add a nullable field without a default", recordOf(a), recordOf(a + `,{"name":"b","type":["null","string"]}`), false, true},
		{"rename a field", recordOf(a), recordOf(`{"name":"b","type":"int"}`), false, false},
		{"rename a field with an alias", recordOf(a), recordOf(`{"name":"b","type":"int","aliases":["a"]}`), true, false},
		{"rename a field with an alias and a default", recordOf(`{"name":"a","type":"int","default":1}`),
			recordOf(`{"name":"b","type":"int","aliases":["a"],"default":1}`), true, true},
		{"add a nullable field without a default in a nested record", field(`["null",{"type":"record","name":"N","fields":[]}]`),
			field(`["null",{"type":"record","name":"N","fields":[{"name":"x","type":["null","int"]}]}]`), false, true},
		{"string to bytes in a union", field(`["null","string"]`), field(`["null","bytes"]`), true, true},
		{"swap two fields", recordOf(a + `,{"name":"b","type":"string"}`), recordOf(`{"name":"b","type":"string"},` + a), true, true},
		{"change a field's type", field(`"string"`), field(`"int"`), false, false},
		{"change a default", field(`"int","default":1`), field(`"int","default":2`), true, true},
		{"drop a default", field(`"int","default":1`), field(`"int"`), true, true},
		{"document", field(`"int"`), field(`"int","doc":"x"`), true, true},
	}
}

// promotionEvolutions is what the specification calls "promoted to the reader's type".
func promotionEvolutions() []evolution {
	return []evolution{
		{"int to long", field(`"int"`), field(`"long"`), true, false},
		{"int to float", field(`"int"`), field(`"float"`), true, false},
		{"int to double", field(`"int"`), field(`"double"`), true, false},
		{"long to float", field(`"long"`), field(`"float"`), true, false},
		{"long to double", field(`"long"`), field(`"double"`), true, false},
		{"float to double", field(`"float"`), field(`"double"`), true, false},
		{"string to bytes", field(`"string"`), field(`"bytes"`), true, true},
		{"int to boolean", field(`"int"`), field(`"boolean"`), false, false},
		{"int to string", field(`"int"`), field(`"string"`), false, false},
		{"null to int", field(`"null"`), field(`"int"`), false, false},
	}
}

// nameEvolutions is about "records, enums, fixed with the same (unqualified) name".
func nameEvolutions() []evolution {
	const a = `{"name":"a","type":"int"}`
	return []evolution{
		{"rename the record", recordOf(a), `{"type":"record","name":"S","fields":[` + a + `]}`, false, false},
		{"rename the record with an alias", recordOf(a), `{"type":"record","name":"S","aliases":["R"],"fields":[` + a + `]}`, true, false},
		{"rename the record with an alias of another namespace", `{"type":"record","name":"m.R","fields":[]}`, `{"type":"record","name":"n.S","aliases":["R"],"fields":[]}`, false, false},
		{"rename the record with a qualified alias", `{"type":"record","name":"m.R","fields":[]}`, `{"type":"record","name":"n.S","aliases":["m.R"],"fields":[]}`, true, false},
		{"rename the record in its namespace", `{"type":"record","name":"m.R","fields":[]}`, `{"type":"record","name":"m.S","aliases":["R"],"fields":[]}`, true, false},
		{"rename a record in a union with an alias of another namespace", `["null",{"type":"record","name":"m.R","fields":[]}]`, `["null",{"type":"record","name":"n.S","aliases":["R"],"fields":[]}]`, false, false},
		{"two records of one short name in a union", `{"type":"record","name":"b.R","fields":[{"name":"x","type":"int"}]}`,
			`[{"type":"record","name":"a.R","fields":[{"name":"y","type":["null","int"]}]},{"type":"record","name":"b.R","fields":[{"name":"x","type":"int"}]}]`, true, false},
		{"error to record", `{"type":"error","name":"R","fields":[]}`, `{"type":"record","name":"R","fields":[]}`, true, true},
		{"move the record to a namespace", recordOf(a), `{"type":"record","name":"n.R","fields":[` + a + `]}`, true, true},
		{"record to map", recordOf(a), `{"type":"map","values":"int"}`, false, false},
		{"nested record gains a field with a default", field(`{"type":"record","name":"N","fields":[]}`),
			field(`{"type":"record","name":"N","fields":[{"name":"x","type":"int","default":0}]}`), true, true},
		{"nested record gains a field without a default", field(`{"type":"record","name":"N","fields":[]}`),
			field(`{"type":"record","name":"N","fields":[{"name":"x","type":"int"}]}`), false, true},
		{"recursive record, promoted", `{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","L"]}]}`,
			`{"type":"record","name":"L","fields":[{"name":"v","type":"long"},{"name":"next","type":["null","L"]}]}`, true, false},
		{"enum renamed", field(enum(`"symbols":["A"]`)), field(`{"type":"enum","name":"F","symbols":["A"]}`), false, false},
		{"enum renamed with an alias", field(enum(`"symbols":["A"]`)), field(`{"type":"enum","name":"F","aliases":["E"],"symbols":["A"]}`), true, false},
		{"fixed resized", field(`{"type":"fixed","name":"F","size":4}`), field(`{"type":"fixed","name":"F","size":8}`), false, false},
		{"fixed renamed", field(`{"type":"fixed","name":"F","size":4}`), field(`{"type":"fixed","name":"G","size":4}`), false, false},
		{"fixed to bytes", field(`{"type":"fixed","name":"F","size":4}`), field(`"bytes"`), false, false},
	}
}

// symbolEvolutions is about "if the writer's symbol is not present in the reader's enum and the reader has a default value".
func symbolEvolutions() []evolution {
	return []evolution{
		{"add a symbol", field(enum(`"symbols":["A"]`)), field(enum(`"symbols":["A","B"]`)), true, false},
		{"add a symbol, default on both sides", field(enum(`"symbols":["A"],"default":"A"`)), field(enum(`"symbols":["A","B"],"default":"A"`)), true, true},
		{"add a symbol, default only in the new one", field(enum(`"symbols":["A"]`)), field(enum(`"symbols":["A","B"],"default":"A"`)), true, false},
		{"remove a symbol", field(enum(`"symbols":["A","B"]`)), field(enum(`"symbols":["A"]`)), false, true},
		{"remove a symbol, default on both sides", field(enum(`"symbols":["A","B"],"default":"A"`)), field(enum(`"symbols":["A"],"default":"A"`)), true, true},
		{"reorder symbols", field(enum(`"symbols":["A","B"]`)), field(enum(`"symbols":["B","A"]`)), true, true},
		{"a field's default does not stand in for a symbol", field(enum(`"symbols":["A","B"]`) + `,"default":"A"`), field(enum(`"symbols":["A"]`) + `,"default":"A"`), false, true},
	}
}

// containerEvolutions is about arrays and maps, "recursively applied".
func containerEvolutions() []evolution {
	return []evolution{
		{"array items promoted", field(`{"type":"array","items":"int"}`), field(`{"type":"array","items":"long"}`), true, false},
		{"array items changed", field(`{"type":"array","items":"int"}`), field(`{"type":"array","items":"string"}`), false, false},
		{"map values promoted", field(`{"type":"map","values":"int"}`), field(`{"type":"map","values":"double"}`), true, false},
		{"array to map", field(`{"type":"array","items":"int"}`), field(`{"type":"map","values":"int"}`), false, false},
	}
}

// unionEvolutions is about unions on either side.
func unionEvolutions() []evolution {
	return []evolution{
		{"type to union", field(`"string"`), field(`["null","string"]`), true, false},
		{"union widened", field(`["null","string"]`), field(`["null","string","int"]`), true, false},
		{"union narrowed", field(`["null","string","int"]`), field(`["null","string"]`), false, true},
		{"union reordered", field(`["null","string"]`), field(`["string","null"]`), true, true},
		{"union branch promoted", field(`["null","int"]`), field(`["null","long"]`), true, false},
		{"union of what the reader promotes", field(`["int","long"]`), field(`"long"`), true, true},
		{"union to one of its types", field(`["null","int"]`), field(`"int"`), false, true},
		{"type to a union without it", field(`"boolean"`), field(`["null","string"]`), false, false},
		{"record in a union changed", field(`["null",{"type":"record","name":"N","fields":[{"name":"x","type":"int"}]}]`),
			field(`["null",{"type":"record","name":"N","fields":[{"name":"x","type":"string"}]}]`), false, false},
		{"record in a union grown", field(`["null",{"type":"record","name":"N","fields":[]}]`),
			field(`["null",{"type":"record","name":"N","fields":[{"name":"x","type":"int","default":0}]}]`), true, true},
		{"second record in a union", field(`["null",{"type":"record","name":"N","fields":[]}]`),
			field(`["null",{"type":"record","name":"N","fields":[]},{"type":"record","name":"M","fields":[]}]`), true, false},
	}
}

// logicalEvolutions is about logical types: decimals must match by the specification, the others by our own rule.
func logicalEvolutions() []evolution {
	return []evolution{
		{"decimal rescaled", field(`{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}`),
			field(`{"type":"bytes","logicalType":"decimal","precision":9,"scale":3}`), false, false},
		{"logical type added", field(`"long"`), field(`{"type":"long","logicalType":"timestamp-millis"}`), true, true},
		{"unit changed", field(`{"type":"long","logicalType":"timestamp-millis"}`), field(`{"type":"long","logicalType":"timestamp-micros"}`), false, false},
		{"unit changed beside the type", field(`"long","logicalType":"timestamp-millis"`), field(`{"type":"long","logicalType":"timestamp-micros"}`), false, false},
		{"unit changed in a union", field(`["null",{"type":"long","logicalType":"timestamp-millis"}]`),
			field(`["null",{"type":"long","logicalType":"timestamp-micros"}]`), false, false},
		{"unit changed into a union", field(`{"type":"long","logicalType":"timestamp-millis"}`),
			field(`["null",{"type":"long","logicalType":"timestamp-micros"}]`), false, false},
		{"date to timestamp in a union", field(`["null",{"type":"int","logicalType":"date"}]`),
			field(`["null",{"type":"long","logicalType":"timestamp-micros"}]`), false, false},
		{"unit changed in an array", field(`{"type":"array","items":{"type":"int","logicalType":"date"}}`),
			field(`{"type":"array","items":{"type":"int","logicalType":"time-millis"}}`), false, false},
		{"unit changed in the second array", recordOf(`{"name":"x","type":{"type":"array","items":"int"}},{"name":"y","type":{"type":"array","items":{"type":"int","logicalType":"date"}}}`),
			recordOf(`{"name":"x","type":{"type":"array","items":"int"}},{"name":"y","type":{"type":"array","items":{"type":"int","logicalType":"time-millis"}}}`), false, false},
		{"unit changed in a named type", recordOf(`{"name":"x","type":["null",{"type":"record","name":"n.T","fields":[{"name":"at","type":{"type":"long","logicalType":"time-micros"}}]}]},{"name":"y","type":"n.T"}`),
			recordOf(`{"name":"y","type":{"type":"record","name":"n.T","fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}}]}}`), false, false},
		{"unit changed in a renamed field", field(`{"type":"int","logicalType":"date"}`),
			recordOf(`{"name":"g","aliases":["f"],"type":{"type":"int","logicalType":"time-millis"}}`), false, false},
		{"unknown logical type changed", field(`{"type":"int","logicalType":"mood"}`), field(`{"type":"int","logicalType":"date"}`), true, true},
		{"recursive record with a time", `{"type":"record","name":"L","fields":[{"name":"t","type":{"type":"int","logicalType":"date"}},{"name":"next","type":["null","L"]}]}`,
			`{"type":"record","name":"L","fields":[{"name":"t","type":{"type":"int","logicalType":"date"}},{"name":"next","type":["null","L"]}]}`, true, true},
	}
}

func TestEvolutions(t *testing.T) {
	for _, e := range evolutions() {
		t.Run(e.name, func(t *testing.T) {
			for _, level := range []Compatibility{None, Backward, BackwardTransitive, Forward, ForwardTransitive, Full, FullTransitive} {
				st := emptyState()
				mustAdd(t, st, "s", e.before)
				candidate := mustParse(t, e.after)
				r := rules{parsed: map[int]*avroSchema{}}
				reasons, err := r.obstacles(st, succession{candidate, level, st.live("s")})
				if err != nil {
					t.Fatal(err)
				}
				want := (e.backward || !level.backward()) && (e.forward || !level.forward())
				if got := len(reasons) == 0; got != want {
					t.Errorf("%s: compatible: got %v (%q), want %v", level, got, reasons, want)
				}
			}
		})
	}
}

// TestTransitive changes a field in two steps that are compatible each, but not together.
func TestTransitive(t *testing.T) {
	st := emptyState()
	mustAdd(t, st, "s", recordOf(``))
	mustAdd(t, st, "s", recordOf(`{"name":"f","type":"int","default":0}`))
	r := rules{parsed: map[int]*avroSchema{}}
	for _, c := range []struct {
		level Compatibility
		after string
		want  bool
	}{
		{Backward, field(`"int"`), true},
		{BackwardTransitive, field(`"int"`), false},
		{Full, field(`"int"`), true},
		{FullTransitive, field(`"int"`), false},
		{None, field(`"string"`), true},
	} {
		reasons, err := r.obstacles(st, succession{mustParse(t, c.after), c.level, st.live("s")})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(reasons) == 0; got != c.want {
			t.Errorf("%s of %s: got %v (%q), want %v", c.level, c.after, got, reasons, c.want)
		}
	}
	// Forward: the earlier schemas read the new data. Version 1 of u needs g, version 2 has a default for it.
	mustAdd(t, st, "u", recordOf(`{"name":"g","type":"int"}`))
	mustAdd(t, st, "u", recordOf(`{"name":"g","type":"int","default":0}`))
	for level, want := range map[Compatibility]bool{Forward: true, ForwardTransitive: false} {
		reasons, err := r.obstacles(st, succession{mustParse(t, recordOf(``)), level, st.live("u")})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(reasons) == 0; got != want {
			t.Errorf("%s: got %v (%q), want %v", level, got, reasons, want)
		}
	}
}

// TestInvalid lists texts that are JSON but no Avro.
func TestInvalid(t *testing.T) {
	for _, schema := range []string{
		`"number"`, `{}`, `7`, `null`, `{"type":"record","fields":[]}`, `{"type":"record","name":"R"}`, `{"type":"enum","name":"E"}`,
		`{"type":"fixed","name":"F"}`, `{"type":"fixed","name":"F","size":-1}`, `{"type":"array"}`, `{"type":"map"}`, `"record"`,
		`{"type":{"type":"int"}}`, `["int","int"]`, `["int",["null"]]`,
		field(`"int","default":"one"`), field(`"int","default":3000000000`), field(`["null","string"],"default":7`),
		field(`{"type":"array","items":"int"},"default":{}`), field(enum(`"symbols":["A"]`) + `,"default":"B"`),
		field(enum(`"symbols":["A"],"default":"B"`)), field(enum(`"symbols":["A","A"]`)), field(enum(`"symbols":["A-B"]`)),
		field(`"Other"`), field(`"record"`), recordOf(`{"name":"a-b","type":"int"}`), recordOf(`{"name":"a"}`), recordOf(`{"type":"int"}`), recordOf(`7`),
		recordOf(`{"name":"a","type":"int"},{"name":"a","type":"int"}`), field(`{"type":"record","name":"R","fields":[]}`),
		field(`{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}`),
	} {
		text, err := canonical(schema)
		if err == nil {
			_, err = parseSchema(text)
		}
		if err == nil {
			t.Errorf("%s: got no error, want one", schema)
		}
	}
}

// TestNoneReadsNothing follows a schema that this release cannot read.
func TestNoneReadsNothing(t *testing.T) {
	st := emptyState()
	if err := st.addVersion(recordValue{Subject: "s", Version: 1, ID: 1, Schema: `"decimal256"`}); err != nil {
		t.Fatal(err)
	}
	r := rules{parsed: map[int]*avroSchema{}}
	if reasons, err := r.obstacles(st, succession{mustParse(t, `"int"`), None, st.live("s")}); err != nil || len(reasons) > 0 {
		t.Errorf("NONE: got %q, %v, want nothing", reasons, err)
	}
	if _, err := r.obstacles(st, succession{mustParse(t, `"int"`), Full, st.live("s")}); err == nil {
		t.Error("FULL: got no error, want one")
	}
}

func mustParse(t *testing.T, text string) *avroSchema {
	t.Helper()
	text, err := canonical(text)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parseSchema(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// mustAdd gives a subject a schema as its next version, unchecked.
func mustAdd(t *testing.T, st *state, subject, text string) {
	t.Helper()
	text, err := canonical(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.addVersion(recordValue{Subject: subject, Version: st.nextVersion(subject), ID: st.lastID + 1, Schema: text}); err != nil {
		t.Fatal(err)
	}
}

func TestCompatibilityValid(t *testing.T) {
	for _, level := range []Compatibility{None, Backward, BackwardTransitive, Forward, ForwardTransitive, Full, FullTransitive} {
		if !level.valid() {
			t.Errorf("%s: got invalid, want valid", level)
		}
	}
	for _, level := range []Compatibility{"", "backward", "FULL_TRANSITIVELY"} {
		if level.valid() {
			t.Errorf("%q: got valid, want invalid", level)
		}
	}
	if levels := []Compatibility{Backward, Forward, Full, None}; slices.ContainsFunc(levels, Compatibility.transitive) {
		t.Errorf("levels without _TRANSITIVE: got a transitive one, want none")
	}
}
