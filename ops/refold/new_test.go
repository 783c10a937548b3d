package main

import (
	"bytes"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/refold/refold/ops/checks"
)

// copied returns a copy of the source tree, and makes it the working folder.
func copied(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		from, to := filepath.Join("../..", e.Name()), filepath.Join(root, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), ".") || e.Name() == "bin" || e.Name() == "refold-data":
		case e.IsDir():
			if err := os.CopyFS(to, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
		default:
			b, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			write(t, to, string(b))
		}
	}
	t.Chdir(root)
	return root
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// newProjection runs the command and returns its exit code and what it told on stderr.
func newProjection(t *testing.T, name string) (int, string) {
	t.Helper()
	var out, problems bytes.Buffer
	code := run(t.Context(), []string{"new", "projection", name}, strings.NewReader(""), &out, &problems)
	if code == 0 && !strings.Contains(out.String(), "go test ./projections/"+name) {
		t.Errorf("got %s", out.String())
	}
	return code, problems.String()
}

func TestNewProjectionWorksAtOnce(t *testing.T) {
	root := copied(t)
	if code, stderr := newProjection(t, "visits"); code != 0 {
		t.Fatalf("got %d, %s", code, stderr)
	}
	golang := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
		return string(out), err
	}
	if out, err := golang("vet", "./projections/visits", "./projections/catalog"); err != nil {
		t.Errorf("go vet: %v\n%s", err, out)
	}
	if out, err := golang("test", "-v", "./projections/visits"); err != nil || !strings.Contains(out, "a_crash_at_every_record") {
		t.Errorf("go test: %v\n%s", err, out)
	}
	tree, err := checks.Read(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range checks.All() {
		for _, problem := range check.Find(tree) {
			t.Error(problem)
		}
	}
	fold := filepath.Join("projections", "visits", "visits.go")
	for _, file := range []string{fold, "projections/visits/visits_test.go", "projections/catalog/catalog.go"} {
		if b, err := format.Source([]byte(read(t, file))); err != nil || string(b) != read(t, file) {
			t.Errorf("%s is not as gofmt writes it: %v", file, err)
		}
	}
	if out, err := golang("test", "./projections/catalog", "-run", "^$"); err != nil {
		t.Errorf("the catalog: %v\n%s", err, out)
	}
	write(t, fold, strings.Replace(read(t, fold), "r.Entries++", "r.Entries += 2", 1))
	if out, err := golang("test", "./projections/visits"); err == nil {
		t.Errorf("another fold passes the test:\n%s", out)
	}
}

func TestNewProjectionRefusesNames(t *testing.T) {
	copied(t)
	before := read(t, "projections/catalog/catalog.go")
	for name, want := range map[string]string{
		"":                      "no name of a projection",
		"Visits":                "no name of a projection",
		"1st":                   "no name of a projection",
		"card-visits":           "no name of a projection",
		"card_visits":           "no name of a projection",
		"../visits":             "no name of a projection",
		"besök":                 "no name of a projection",
		strings.Repeat("a", 41): "no name of a projection",
		"range":                 "a meaning in Go",
		"string":                "a meaning in Go",
		"main":                  "a meaning in Go",
		"testdata":              "a meaning in Go",
		"watch":                 "is a command",
		"cancel":                "is a command",
		"release":               "is a command",
		"util":                  "says nothing",
		"spending":              "is there already",
		"engine":                "is there already",
	} {
		if code, stderr := newProjection(t, name); code != exitUsage || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%q: got %d, %q, want %q", name, code, stderr, want)
		}
	}
	if after := read(t, "projections/catalog/catalog.go"); after != before {
		t.Errorf("the catalog has changed:\n%s", after)
	}
	t.Chdir(t.TempDir())
	if code, stderr := newProjection(t, "visits"); code != exitUsage || !strings.Contains(stderr, "is not in the source tree") {
		t.Errorf("elsewhere: got %d, %q", code, stderr)
	}
	write(t, "go.mod", "module example.org/other\n")
	if code, _ := newProjection(t, "visits"); code != exitUsage {
		t.Errorf("in another module: got %d", code)
	}
}

// What a run left that was cut short is finished or made anew; what somebody wrote is not touched.
func TestNewProjectionAfterOneThatWasCutShort(t *testing.T) {
	copied(t)
	const catalog, fold = "projections/catalog/catalog.go", "projections/visits/visits.go"
	before := read(t, catalog)
	if err := os.Mkdir("projections/.visits.unfinished", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, "projections/.visits.unfinished/half.go", "pack")
	if code, stderr := newProjection(t, "visits"); code != 0 {
		t.Fatalf("got %d, %s", code, stderr)
	}
	if _, err := os.Stat("projections/visits/half.go"); !os.IsNotExist(err) {
		t.Errorf("half a file is there: %v", err)
	}
	want := read(t, catalog)
	if strings.Count(want, "visits") != 2 {
		t.Errorf("got catalog %s", want)
	}
	write(t, catalog, before) // as if it was cut short before the catalog
	if code, stderr := newProjection(t, "visits"); code != 0 || read(t, catalog) != want {
		t.Errorf("got %d, %s, catalog %s", code, stderr, read(t, catalog))
	}
	write(t, catalog, before)
	mine := read(t, fold) + "\n// Mine.\n"
	write(t, fold, mine)
	if code, _ := newProjection(t, "visits"); code != exitUsage || read(t, fold) != mine || read(t, catalog) != before {
		t.Errorf("over what somebody wrote: got %d", code)
	}
	for _, left := range []string{"projections/.*", "projections/catalog/.*"} {
		if found, err := filepath.Glob(left); err != nil || len(found) > 0 {
			t.Errorf("left behind: %v, %v", found, err)
		}
	}
}

// A catalog that does not look like one is left alone, and so is the folder.
func TestNewProjectionWithoutACatalog(t *testing.T) {
	copied(t)
	write(t, "projections/catalog/catalog.go", "package catalog\n")
	if code, stderr := newProjection(t, "visits"); code != exitFailed || !strings.Contains(stderr, "a line to") {
		t.Errorf("got %d, %q", code, stderr)
	}
	if _, err := os.Stat("projections/visits"); !os.IsNotExist(err) {
		t.Errorf("the folder is there: %v", err)
	}
}

// The walk-through shows what the command writes.
func TestReadmeShowsWhatIsWritten(t *testing.T) {
	text := read(t, "../../projections/README.md")
	for at, b := range projectionFiles("visits") {
		if !strings.Contains(text, string(b)) {
			t.Errorf("projections/README.md does not show %s as it is written:\n%s", at, b)
		}
	}
}
