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

func TestWhyAt80Columns(t *testing.T) {
	at := timestamppb.New(time.Date(2026, 10, 31, 23, 59, 59, 0, time.UTC))
	var out bytes.Buffer
	err := (&cli{stdout: &out}).printWhy(&refoldv1.WhyResponse{
		Causes: []*refoldv1.Cause{
			{Topic: "bank.transactions", Partition: 11, Offset: 1234567890, Event: "bank.CommandRejected", RecordedAt: at, OccurredAt: at},
			{Topic: "bank.transactions", Partition: 11, Offset: 9, Event: "bank.EntryPosted", RecordedAt: at, OccurredAt: at, Changed: true},
		},
		Freshness: &refoldv1.Freshness{Generation: 3, Scanned: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `bank.transactions/11, generation 3
OFFSET      EVENT            RECORDED              OCCURRED              CHANGED
1234567890  CommandRejected  2026-10-31T23:59:59Z  2026-10-31T23:59:59Z  no
9           EntryPosted      2026-10-31T23:59:59Z  2026-10-31T23:59:59Z  yes
this row has no trail: its whole partition was read
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
}
