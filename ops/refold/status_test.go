package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/refoldv1"
)

// The table fits a terminal of 80 columns, and what is wrong with a generation stands on a line below it.
func TestStatusAt80Columns(t *testing.T) {
	at := timestamppb.New(time.Date(2026, 10, 31, 23, 59, 59, 0, time.UTC))
	wrong := "fold bank.transactions/3 at 123456789: the record does not follow\nfrom the ones before it"
	var out bytes.Buffer
	c := &cli{stdout: &out}
	err := c.printStatus([]*refoldv1.Projection{
		{Name: "creditscore", Generations: []*refoldv1.Generation{
			{Number: 10, Version: 12, State: refoldv1.GenerationState_GENERATION_STATE_STANDBY, EventTime: at},
			{Number: 11, Version: 12, State: refoldv1.GenerationState_GENERATION_STATE_CANCELLED, Error: "cancelled"},
			{Number: 12, Version: 12, State: refoldv1.GenerationState_GENERATION_STATE_BUILDING, LagEvents: 123_456_789, LagSeconds: 4e8, EventsPerSecond: 1_234_567, EventTime: at},
		}},
		{Name: "spending", Generations: []*refoldv1.Generation{
			{Number: 2, Version: 1, State: refoldv1.GenerationState_GENERATION_STATE_STUCK, LagEvents: 1, LagSeconds: 119.96, Error: wrong},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `GENERATION      STATE     LAG        BEHIND  EVENTS/S  LAST EVENT
creditscore-10  standby   0          0.0s    0         2026-10-31T23:59:59Z
creditscore-12  building  123456789  4630d   1234567   2026-10-31T23:59:59Z
spending-2      stuck     1          120.0s  0         -
spending-2 is stuck: fold bank.transactions/3 at 123456789: the record does not follow; from the ones before it
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	table, _, _ := strings.Cut(out.String(), "spending-2 is stuck")
	for line := range strings.Lines(table) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
}
