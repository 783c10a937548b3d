//go:build synctests

package transactions

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var simulationBugs = flag.Bool("simulation.bugs", false, "build the package with planted bugs, each of which must be found")

// bug is a mistake that is planted into a file of the tree as the compiler sees it.
type bug struct {
	name, file string
	right      string // what stands there, once
	wrong      string
	test       string // that finds it; TestSimulation where it is empty
}

// plantedBugs are the mistakes that the journal is made to avoid.
func plantedBugs() []bug {
	return []bug{
		{
			name: "answer before the commit", file: "../../streams/journal/writer.go",
			right: "if err := w.log.append(ctx, w.records); err != nil {\n\t\treturn err\n\t}\n",
			wrong: "records := w.records\n\tw.answer()\n\tif err := w.log.append(ctx, records); err != nil {\n\t\treturn err\n\t}\n",
		},
		{
			name: "append a batch that failed again, blindly", file: "../../streams/journal/writer.go",
			right: "if err := w.log.append(ctx, w.records); err != nil {\n\t\treturn err\n\t}\n",
			wrong: "if err := w.log.append(ctx, w.records); err != nil {\n\t\tw.log.close()\n\t\tif w.fence(ctx) != nil || w.log.append(ctx, w.records) != nil {\n\t\t\treturn err\n\t\t}\n\t}\n",
		},
		{
			name: "keep the overlay of a batch that failed", file: "machine.go",
			right: "m.overlay = m.definition.NewFolder(m.codec, m.ledger.Base(m.partition))\n\tm.crowded",
			wrong: "if m.overlay == nil {\n\t\tm.overlay = m.definition.NewFolder(m.codec, m.ledger.Base(m.partition))\n\t}\n\tm.crowded",
		},
		{
			name: "do not wait for the rows", file: "machine.go",
			right: "if err := m.ledger.Wait(ctx, m.partition, end); err != nil {\n\t\treturn err\n\t}\n\tif at",
			wrong: "if at",
		},
		{
			name: "take a batch of unknown outcome for done", file: "../../streams/journal/writer.go",
			right: "case ok:\n\t\t\tfound, w.outcomes",
			wrong: "case ok || len(w.records) > 0 && len(w.batch) == 1:\n\t\t\tfound, w.outcomes",
		},
		{
			name: "do not look where the records stand", file: "../../streams/journal/fenced.go",
			right: "; r.Offset != want {",
			wrong: "; r.Offset < want {",
			test:  "TestKW10SimulatedForeignRecord",
		},
		{
			name: "credit a message that comes twice", file: "receive_transfer.go",
			right: "key: transferKey + e.EventID,",
			wrong: "key: transferKey + e.EventID + string(rune('a'+inboxNext%20)),",
		},
		{
			name: "let a capture take more than is held", file: "capture_hold.go",
			right: "amount > h.AmountMinor {",
			wrong: "amount > h.AmountMinor+1 {",
		},
	}
}

// TestSimulationFindsPlantedBugs plants one bug after the other and runs seeds until one fails.
func TestSimulationFindsPlantedBugs(t *testing.T) {
	if !*simulationBugs {
		t.Skip("it builds the package again and again: run it with -simulation.bugs")
	}
	problem := regexp.MustCompile(`_test\.go:\d+: (I-.*|verify: .*|.*no answer within.*|.*answered at .*)`)
	for _, b := range plantedBugs() {
		t.Run(b.name, func(t *testing.T) {
			test := cmp.Or(b.test, "TestSimulation")
			cmd := exec.CommandContext(t.Context(), "go", "test", "-tags=synctests", "-overlay="+b.plant(t), "-failfast", "-v",
				"-run="+test+"$", ".", "-simulation.seeds=40", "-simulation.keep="+t.TempDir())
			out, err := cmd.CombinedOutput()
			runs := bytes.Count(out, []byte("=== RUN   "+test+"/"))
			found := problem.FindStringSubmatch(string(out))
			if err == nil || runs == 0 || found == nil {
				t.Fatalf("it was not found in %d runs: %v\n%s", runs, err, tail(out))
			}
			t.Logf("found in run %d: %.200s", runs, found[1])
		})
	}
}

// plant writes the file with the bug and returns the file that tells the compiler of it.
func (b bug) plant(t *testing.T) string {
	t.Helper()
	file, err := filepath.Abs(b.file)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(content), b.right); n != 1 {
		t.Fatalf("%s holds what is to be wrong %d times, want once:\n%s", b.file, n, b.right)
	}
	wrong, overlay := filepath.Join(t.TempDir(), "wrong.go"), filepath.Join(t.TempDir(), "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: wrong}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{wrong: []byte(strings.Replace(string(content), b.right, b.wrong, 1)), overlay: replace} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return overlay
}

// tail is the end of an output.
func tail(out []byte) []byte { return out[max(0, len(out)-2_000):] }
