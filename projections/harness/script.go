package harness

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/timeline"
)

// rewrite tells whether the flag -rewrite is set: scripts are written anew with what came out, and the diff is the review.
func rewrite() bool {
	f := flag.Lookup("rewrite")
	return f != nil && f.Value.String() == "true"
}

// Main declares the flag -rewrite. Call it in a test package's TestMain.
func Main(m *testing.M) {
	flag.Bool("rewrite", false, "write the rows that came out into the scripts")
	os.Exit(m.Run())
}

const divider = "---\n"

// Scripts runs every testdata/*.txt of the calling package. A script is a comment (lines that begin with
// #), events (a name and its fields as JSON, one a line, the envelope filled in where it is left out), a
// line of three hyphens, the rows that come out, and, below another such line, the effects if there are any. The events of every script go through Run as well.
func Scripts(t *testing.T, d *projection.Definition) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("scripts in testdata: %d, %v", len(files), err)
	}
	if d.Recorded(os.DirFS(".")).Hash != d.Hash && !rewrite() {
		t.Error("the definition does not record these scripts: embed them and say .Recorded(scripts)")
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) { script(t, d, f) })
	}
}

func script(t *testing.T, d *projection.Definition, file string) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	events, want, _ := strings.Cut(string(b), divider)
	c := codec.New(new(codec.Local))
	records := parse(t, c, topicsOf(d), events)
	r := newRun(d, c, 0)
	o := r.open(t)
	fold(t, o, records)
	save(t, o)
	got := readable(t, r)
	if told := r.told(t); told != "" {
		got += divider + told
	}
	if rewrite() {
		if err := os.WriteFile(file, []byte(events+divider+got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	Run(t, d, c, records)
}

func readable(t *testing.T, r run) string {
	t.Helper()
	var b strings.Builder
	err := r.store.Scan(r.partition, nil, nil, func(key, value []byte) bool {
		text, err := r.definition.Text(value)
		if err != nil {
			t.Fatal(err)
		}
		offset, _ := projection.StoredOffset(value)
		k := projection.DecodeKey(string(key))
		fmt.Fprintf(&b, "%s %q @%d %s\n", k.Partition, k.Sort, offset, text)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// topicsOf returns the topic that an event stands in which a projection reads, or would read.
func topicsOf(d *projection.Definition) func(event string) string {
	return func(event string) string {
		for _, r := range d.Reads {
			if r.Event == event {
				return r.Topic
			}
		}
		return d.Topic
	}
}

// parse makes records of a script's events. Every third offset of a topic is left out, as markers would.
func parse(t *testing.T, c *codec.Codec, topicOf func(event string) string, events string) []*timeline.Record {
	t.Helper()
	var records []*timeline.Record
	of := make(map[string]int)
	for n, line := range strings.Split(events, "\n") {
		name, fields, ok := strings.Cut(line, " ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		topic := topicOf(name)
		rec := record(t, c, topic, n+1, name, fields, len(records))
		rec.Offset = int64(of[topic] + of[topic]/2)
		of[topic]++
		records = append(records, rec)
	}
	return records
}

func record(t *testing.T, c *codec.Codec, topic string, line int, name, fields string, n int) *timeline.Record {
	t.Helper()
	encoder, err := c.Encoder(context.Background(), topic, name)
	if err != nil {
		t.Fatalf("line %d: %v", line, err)
	}
	at := time.Date(2024, 1, 1, 0, 0, n, 0, time.UTC)
	values := map[string]any{
		"event_id": fmt.Sprintf("event-%d", n), "partition_seq": int64(n + 1), "recorded_at": at,
		"prev_hash": event.Hash{}, "command_hash": event.CommandHash{}, "idempotency_key": fmt.Sprintf("key-%d", n),
		"principal": "tester", "occurred_at": at,
	}
	if err := json.Unmarshal([]byte(fields), &values); err != nil {
		t.Fatalf("line %d: %v", line, err)
	}
	value, err := encoder.Append(nil, values)
	if err != nil {
		t.Fatalf("line %d: %v", line, err)
	}
	key, _ := values["customer_id"].(string)
	return &timeline.Record{Topic: topic, Timestamp: at, Key: []byte(key), Value: value}
}
