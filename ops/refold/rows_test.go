package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// The rows of the read models are in Cassandra: a replay comes to the same rows as live, a start on them folds nothing
// again, and rows that are then made on the disk from the same log are the same, byte for byte.
func TestRowsInCassandra(t *testing.T) {
	at := os.Getenv("REFOLD_CASSANDRA")
	if at == "" {
		t.Skip("skipped: REFOLD_CASSANDRA names no Cassandra: task test:real starts one")
	}
	data := t.TempDir()
	rows := fmt.Sprintf("cassandra://%s/refold_%d", at, time.Now().UnixNano())
	p := up(t, data, "refold", "--demo", "--rows", rows)
	before := p.months("bcc-2968")
	if len(before) < 1000 {
		t.Errorf("got %s", before)
	}
	inCassandra := replayed(t, data)
	well(t, data, "promote", "spending")
	if got := p.months("bcc-2968"); got != before {
		t.Errorf("after the promotion: got %s, want %s", got, before)
	}
	p.stop()

	p = up(t, data, "Data", "--rows", rows)
	if got := p.months("bcc-2968"); got != before {
		t.Errorf("after a start: got %s, want %s", got, before)
	}
	p.stop()

	up(t, data, "Data")
	until(t, "spending has caught up on the disk", func() bool {
		out := well(t, data, "status", "--json")
		return !strings.Contains(out, "BUILDING")
	})
	if onDisk := replayed(t, data); onDisk != inCassandra {
		t.Errorf("on the disk: got digest %s, in Cassandra: %s", onDisk, inCassandra)
	}
}

// replayed replays spending, and returns the digest of its rows, which are those that are live.
func replayed(t *testing.T, data string) string {
	t.Helper()
	var op struct {
		Verification struct{ Rows, Differences, Digest string }
	}
	if err := json.Unmarshal([]byte(well(t, data, "replay", "spending", "--from", "beginning", "--json")), &op); err != nil {
		t.Fatal(err)
	}
	v := op.Verification
	if v.Rows == "0" || v.Differences != "0" || v.Digest == "" {
		t.Errorf("got %+v", v)
	}
	return v.Digest
}
