package registry

import (
	"strings"
	"testing"
)

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"primitive", ` "string" `, `"string"`},
		{"primitive in an object", `{"type":"string"}`, `"string"`},
		{"primitive with attributes", `{"logicalType":"date","x":1,"type":"int","a":{"c":2.50,"b":[true,null]}}`,
			`{"type":"int","a":{"b":[true,null],"c":2.50},"logicalType":"date","x":1}`},
		{"union", `[ "null", {"type":"int"} ]`, `["null","int"]`},
		{"array and map", `{"items":{"values":"int","type":"map"},"type":"array","z":1}`, `{"type":"array","items":{"type":"map","values":"int"},"z":1}`},
		{"record", `{"fields":[{"order":"ascending","type":"int","default":1,"name":"a","pii":true,"doc":"d","aliases":["b"]}],"aliases":["S"],"doc":"x","name":"R","type":"record","own":1}`,
			`{"type":"record","name":"R","doc":"x","fields":[{"name":"a","type":"int","doc":"d","default":1,"aliases":["b"],"pii":true}],"own":1,"aliases":["S"]}`},
		{"another order is kept", field(`"int","order":"ignore"`), `{"type":"record","name":"R","fields":[{"name":"f","type":"int","order":"ignore"}]}`},
		{"full name", `{"type":"fixed","name":"a.b.F","size":2}`, `{"type":"fixed","name":"F","namespace":"a.b","size":2}`},
		{"enum", `{"type":"enum","symbols":["A"],"default":"A","name":"E","doc":"<&>"}`, `{"type":"enum","name":"E","doc":"<&>","symbols":["A"],"default":"A"}`},
		{"inherited namespace", `{"type":"record","name":"n.R","fields":[{"name":"a","type":{"type":"enum","name":"E","namespace":"n","symbols":["A"]}},{"name":"b","type":"n.E"},{"name":"c","type":{"type":"E","x":1}},{"name":"d","type":"R"}]}`,
			`{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":"enum","name":"E","symbols":["A"]}},{"name":"b","type":"E"},{"name":"c","type":"E"},{"name":"d","type":"R"}]}`},
		{"another namespace", `{"type":"record","name":"n.R","fields":[{"name":"a","type":{"type":"enum","name":"m.E","symbols":["A"]}},{"name":"b","type":"m.E"}]}`,
			`{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":"enum","name":"E","namespace":"m","symbols":["A"]}},{"name":"b","type":"m.E"}]}`},
		{"no namespace within one", `{"type":"record","name":"n.R","fields":[{"name":"a","type":{"type":"enum","name":"E","namespace":"","symbols":["A"]}}]}`,
			`{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":"enum","name":"E","namespace":"","symbols":["A"]}}]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := canonical(c.text)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("canonical:\ngot  %s\nwant %s", got, c.want)
			}
			again, err := canonical(got)
			if err != nil || again != got {
				t.Errorf("canonical of canonical:\ngot  %s, %v\nwant %s", again, err, got)
			}
		})
	}
}

// TestCanonicalKeepsDifferences lists texts that are different schemas, each to each.
func TestCanonicalKeepsDifferences(t *testing.T) {
	seen := map[string]string{}
	for _, text := range []string{
		field(`"int"`), field(`"int","default":1`), field(`"int","default":1.0`), field(`"int","doc":""`), field(`"int","aliases":["g"]`),
		field(`"int","pii":true`), field(`"int","pii":false`), field(`"int","order":"descending"`), field(`["int"]`),
		`{"type":"record","name":"n.R","fields":[{"name":"f","type":"int"}]}`, `{"type":"record","name":"R","doc":"x","fields":[{"name":"f","type":"int"}]}`,
	} {
		got, err := canonical(text)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("canonical of %s: got that of %s, want another", text, other)
		}
		seen[got] = text
	}
}

func TestParseJSON(t *testing.T) {
	for _, text := range []string{
		``, ` `, `{`, `[1,]`, `{"a":1,}`, `{"a"}`, `{a:1}`, `{"a":1,"a":2}`, `[{"b":{"a":1,"a":2}}]`, `1 2`, `{} x`, `"a" "b"`, `nul`,
		strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2), strings.Repeat("[", 1<<16),
	} {
		if v, err := parseJSON(text); err == nil {
			t.Errorf("parse %.40q: got %v, want an error", text, v)
		}
	}
	const text = `{"a":[1.50,-0,1e400,"\u00e4\n",true,false,null],"b":{}}`
	v, err := parseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(appendJSON(nil, v)), `{"a":[1.50,-0,1e400,"ä\n",true,false,null],"b":{}}`; got != want {
		t.Errorf("written again: got %s, want %s", got, want)
	}
}
