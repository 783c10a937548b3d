package main

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/refoldv1"
)

func TestParkedRowsAreListed(t *testing.T) {
	rows := []*refoldv1.ParkedRow{{
		Generation: 2, Partition: 3, Key: "bcc-1/2024-01", Position: 77, Reason: "the amount is bad",
		Since: timestamppb.New(time.Date(2026, 10, 31, 23, 59, 59, 0, time.UTC)),
	}}
	var out bytes.Buffer
	c := &cli{stdout: &out}
	if err := errors.Join(c.printParked(rows), c.printLeft("bcc-1/2024-01", nil)); err != nil {
		t.Fatal(err)
	}
	want := `GENERATION  KEY            PARTITION  POSITION  SINCE                 REASON
2           bcc-1/2024-01  3          77        2026-10-31T23:59:59Z  the amount is bad
bcc-1/2024-01 goes on
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if err := c.printLeft("bcc-1/2024-01", rows); !errors.Is(err, errNotAllWell) {
		t.Errorf("a row that is parked still: got %v, want %v", err, errNotAllWell)
	}
}

func TestStatusCountsParkedRows(t *testing.T) {
	var out bytes.Buffer
	c := &cli{stdout: &out}
	err := c.printStatus([]*refoldv1.Projection{{Name: "spending", Generations: []*refoldv1.Generation{{Number: 2, ParkedRows: 7}}}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "spending-2: 7 rows are parked, see refold parked list spending\n"; !bytes.HasSuffix(out.Bytes(), []byte(want)) {
		t.Errorf("got:\n%s\nwant at its end:\n%s", out.String(), want)
	}
}
