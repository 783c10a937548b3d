package checks

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

var rewrite = flag.Bool("rewrite", false, "write what the checks find into testdata")

// TestTree runs every check over the repository.
func TestTree(t *testing.T) {
	tree, err := Read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range All() {
		t.Run(check.Name, func(t *testing.T) {
			for _, problem := range check.Find(tree) {
				t.Error(problem)
			}
		})
	}
}

// TestScripts runs every check over the tree in its script, where it must find what is wrong.
func TestScripts(t *testing.T) {
	for _, check := range All() {
		t.Run(check.Name, func(t *testing.T) {
			name := filepath.Join("testdata", check.Name+".txt")
			script, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			tree, want := parse(t, string(script))
			var got strings.Builder
			for _, problem := range check.Find(tree) {
				got.WriteString(problem.String() + "\n")
			}
			if *rewrite {
				before, _, _ := strings.Cut(string(script), wanted)
				if err := os.WriteFile(name, []byte(before+wanted+got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got.String() != want {
				t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
			}
			if want == "" {
				t.Error("the script shows nothing that the check finds")
			}
		})
	}
}

// wanted begins the last part of a script: the problems that its check must find, one a line.
const wanted = "-- want --\n"

// parse reads a script: what it shows, then the files of a tree, each after a line that names it,
// then the problems. {lines N} stands for N empty lines, {nul} for a byte that no text has, and {/} for
// a slash that is not to be seen in this repository.
func parse(t *testing.T, script string) (*Tree, string) {
	t.Helper()
	files, want, found := strings.Cut(script, wanted)
	if !found {
		t.Fatalf("the script has no line %q", wanted)
	}
	header := regexp.MustCompile(`(?m)^-- (\S+) --\n`)
	fsys := fstest.MapFS{}
	heads := header.FindAllStringSubmatchIndex(files, -1)
	for n, head := range heads {
		end := len(files)
		if n+1 < len(heads) {
			end = heads[n+1][0]
		}
		fsys[files[head[2]:head[3]]] = &fstest.MapFile{Data: []byte(expand(files[head[1]:end]))}
	}
	tree, err := Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tree, expand(want)
}

// expand puts in what a script stands for.
func expand(text string) string {
	text = strings.NewReplacer("{/}", "/", "{nul}", "\x00").Replace(text)
	lines := regexp.MustCompile(`\{lines (\d+)\}`)
	return lines.ReplaceAllStringFunc(text, func(mark string) string {
		count, _ := strconv.Atoi(lines.FindStringSubmatch(mark)[1])
		return strings.Repeat("\n", count-1)
	})
}

func TestReadLeavesOutWhatIsIgnored(t *testing.T) {
	tree, err := Read(fstest.MapFS{
		".gitignore":        {Data: []byte("# comment\n/bin/\n*.pprof\n")},
		".git/config":       {},
		"bin/refold":        {},
		"ops/bin/kept.go":   {Data: []byte("package bin\n")},
		"ops/cpu.pprof":     {},
		"ops/testdata/x.go": {Data: []byte("not Go")},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, file := range tree.Files {
		got = append(got, file.Path)
	}
	want := ".gitignore ops/bin/kept.go ops/testdata/x.go"
	if strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestReadLeavesOutTheFileOfALinkedWorktree(t *testing.T) {
	tree, err := Read(fstest.MapFS{".git": {Data: []byte("gitdir: elsewhere\n")}})
	if err != nil || len(tree.Files) > 0 {
		t.Errorf("got %d files, %v, want none", len(tree.Files), err)
	}
}

func TestReadNamesWhatItCannotRead(t *testing.T) {
	tests := map[string]struct {
		tree fstest.MapFS
		want string
	}{
		"broken Go":       {fstest.MapFS{"ops/x.go": {Data: []byte("package\n")}}, "ops/x.go"},
		"unknown pattern": {fstest.MapFS{".gitignore": {Data: []byte("a/**/b\n")}}, "a/**/b"},
		"negation":        {fstest.MapFS{".gitignore": {Data: []byte("!kept\n")}}, "!kept"},
		"half a folder":   {fstest.MapFS{".gitignore": {Data: []byte("bin/\n")}}, "bin/"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Read(test.tree)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one that names %s", err, test.want)
			}
		})
	}
}
