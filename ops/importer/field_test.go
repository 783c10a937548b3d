package importer

import (
	"encoding/csv"
	"slices"
	"strings"
	"testing"
)

// FuzzSplit holds split against the CSV reader of the standard library, line by line.
func FuzzSplit(f *testing.F) {
	for _, line := range []string{
		"a", "a,b", ",", "a,,b,", `"a"`, `"a,b",c`, `"a ""b""",c`, `""`, `"",""`, `"""`, `""""`, `"a`, `"a"b`, `a"b`, `"a",`, ` "a"`, "é,ß",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if line == "" || strings.ContainsAny(line, "\r\n") {
			return
		}
		r := csv.NewReader(strings.NewReader(line))
		want, wantErr := r.Read()
		got, bad := split(line, nil)
		if (bad == nil) != (wantErr == nil) {
			t.Fatalf("split(%q) = %q, %v, want %q, %v", line, got, bad, want, wantErr)
		}
		if bad == nil && !slices.Equal(got, want) {
			t.Errorf("split(%q) = %q, want %q", line, got, want)
		}
	})
}
