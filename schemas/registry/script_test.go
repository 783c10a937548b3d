package registry

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewriteScripts = flag.Bool("rewrite", false, "write what the registry answers into testdata")

// TestScripts plays the conversations of testdata against a registry of their own each. A line that begins with a
// method is a request, its body following the path; what stands in backquotes is sent as a JSON string. The indented
// line below is the answer expected.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("scripts in testdata: got %v, %v, want some", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, start(t, &memLog{}, Config{}), string(text))
			if *rewriteScripts {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			compareLines(t, got, string(text))
		})
	}
}

func play(t *testing.T, in *instance, script string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(script) {
		if strings.HasPrefix(line, " ") {
			continue
		}
		out.WriteString(line)
		method, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch method {
		case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch:
			path, body, _ := strings.Cut(rest, " ")
			status, answer := in.do(t, method, path, quoted(t, body))
			fmt.Fprintf(&out, "    %d %s\n", status, answer)
		}
	}
	return out.String()
}

// quoted turns what stands in backquotes into JSON strings.
func quoted(t *testing.T, body string) string {
	t.Helper()
	parts := strings.Split(body, "`")
	for i := 1; i < len(parts); i += 2 {
		text, err := json.Marshal(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = string(text)
	}
	return strings.Join(parts, "")
}

func compareLines(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Fatalf("line %d: got\n%s\nwant\n%s", i+1, a, b)
		}
	}
}
