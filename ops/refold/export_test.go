package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestExport(t *testing.T) {
	file, _ := cards(t, 300)
	data, folder := t.TempDir(), filepath.Join(t.TempDir(), "export")
	p := up(t, data, "Data")
	defer p.stop()
	well(t, data, "import", file, "--format", "birmingham")
	if out := well(t, data, "export", folder); !strings.HasPrefix(out, "increment 1: 300 rows in ") {
		t.Errorf("got %q", out)
	}
	if code, _, stderr := refold(t, data, "export", folder, "--format", "xlsx"); code != exitUsage || !strings.Contains(stderr, "csv parquet") {
		t.Errorf("an unknown format: got %d, %q", code, stderr)
	}
	if out := well(t, data, "export", folder+"-2", "--format", "parquet"); !strings.HasPrefix(out, "increment 1: 300 rows in ") {
		t.Errorf("got %q", out)
	}
	if out := well(t, data, "export", folder); out != "nothing was posted since the last export\n" {
		t.Errorf("got %q", out)
	}
}
