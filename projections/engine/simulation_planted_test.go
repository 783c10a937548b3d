//go:build planted

package engine_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// planted is a mistake that is planted into a file of the tree as the compiler sees it.
type planted struct {
	name, file string
	// wrong are pairs: what stands there, once, and what is to stand there instead.
	wrong [][2]string
}

// plantedBugs are mistakes that the engine is made to avoid.
func plantedBugs() []planted {
	return []planted{
		{"the checkpoint before the rows", "simulation_store_test.go", [][2]string{{
			"if err := d.saveRows(task, changed); err != nil {\n\t\treturn err\n\t}\n\treturn d.saveCheckpoint(task, c)",
			"if err := d.saveCheckpoint(task, c); err != nil {\n\t\treturn err\n\t}\n\treturn d.saveRows(task, changed)",
		}}},
		{"effects outside the transaction", "../../streams/effect/effect.go", [][2]string{
			{"type Writer struct {\n", "type Writer struct {\n\tplain *kgo.Client\n"},
			{
				"return &Writer{client: client,",
				"plain, err := c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ManualFlushing(), kgo.ProducerLinger(0))\n" +
					"\tif err != nil {\n\t\treturn nil, err\n\t}\n\treturn &Writer{plain: plain, client: client,",
			},
			{"w.client.Close()\n", "w.plain.Close()\n\t\tw.client.Close()\n"},
			{"if err := w.client.BeginTransaction(); err", "if err := ctx.Err(); err"},
			{"w.client.Produce(", "w.plain.Produce("},
			{"w.client.Flush(", "w.plain.Flush("},
			{"if err := w.vouch(", "if len(ends) > 0 {\n\t\treturn ends, nil\n\t}\n\tif err := w.vouch("},
		}},
		{"an event at the position of its row is folded again", "../projection/projection.go", [][2]string{
			{"if at <= row.offset", "if at < row.offset"},
		}},
		{"a checkpoint that arrives late over a further one", "simulation_store_test.go", [][2]string{
			{"c = merged(t.checkpoint, c)", "_ = merged(t.checkpoint, c)"},
		}},
	}
}

// TestSimulationFindsPlantedBugs plants one bug after the other and runs seeds until one fails by what it checks. A run
// that fails in another way, as one that does not settle in time, does not count as that, and is gone on from.
func TestSimulationFindsPlantedBugs(t *testing.T) {
	const seeds = 1000
	ended := regexp.MustCompile(`--- (PASS|FAIL): TestSimulation/`)
	skipped := regexp.MustCompile(`(?m)^(=== |\s*--- (SKIP|PASS)).*\n`)
	problem := regexp.MustCompile(`simulation_\w+_test\.go:\d+: (a reader of .*|generation .*|the effect .*|(?:after .*: )?\{.* told .*|row .*)`)
	for _, p := range plantedBugs() {
		t.Run(p.name, func(t *testing.T) {
			overlay := p.plant(t)
			for runs := 0; ; {
				cmd := exec.CommandContext(t.Context(), "go", "test", "-tags=synctests", "-overlay="+overlay, "-failfast", "-v",
					"-timeout=20m", "-run=TestSimulation$", ".", fmt.Sprintf("-simulation.seeds=%d", seeds-runs), "-simulation.keep="+t.TempDir())
				out, err := cmd.CombinedOutput()
				now := len(ended.FindAll(out, -1))
				runs += now
				found := problem.FindSubmatch(out)
				if err != nil && found != nil {
					t.Logf("found in %d runs: %.300s", runs, found[1])
					return
				}
				if err == nil || now == 0 || runs >= seeds {
					t.Fatalf("it was not found in %d runs: %v\n%s", runs, err, skipped.ReplaceAll(out, nil))
				}
			}
		})
	}
}

// plant writes the file with the bug and returns the file that tells the compiler of it.
func (p planted) plant(t *testing.T) string {
	t.Helper()
	file, err := filepath.Abs(p.file)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	for _, w := range p.wrong {
		if n := strings.Count(text, w[0]); n != 1 {
			t.Fatalf("%s holds what is to be wrong %d times, want once:\n%s", p.file, n, w[0])
		}
		text = strings.Replace(text, w[0], w[1], 1)
	}
	wrong, overlay := filepath.Join(t.TempDir(), "wrong.go"), filepath.Join(t.TempDir(), "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: wrong}})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{wrong: []byte(text), overlay: replace} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return overlay
}
