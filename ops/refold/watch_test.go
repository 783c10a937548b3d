package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/refold/refold/schemas/api/refoldv1"
)

// A replay that differs is not well until somebody made it live all the same, and the first rows say what differs.
func TestDifferencesAreNotWellUntilPromoted(t *testing.T) {
	for state, well := range map[refoldv1.GenerationState]bool{
		refoldv1.GenerationState_GENERATION_STATE_VERIFIED: false,
		refoldv1.GenerationState_GENERATION_STATE_LIVE:     true,
	} {
		op := &refoldv1.Operation{
			Id: "spending-2", Generation: &refoldv1.Generation{Number: 2, State: state}, Live: 1,
			Verification: &refoldv1.Verification{Rows: 9, Differences: 7},
		}
		for i := range 7 {
			op.Verification.Examples = append(op.Verification.Examples, &refoldv1.RowDifference{Key: fmt.Sprintf("key-%d", i)})
		}
		var out bytes.Buffer
		c := &cli{stdout: &out}
		if err := c.printOperation(op); errors.Is(err, errNotAllWell) == well {
			t.Errorf("%s: got %v", state, err)
		}
		text := out.String()
		if !strings.Contains(text, "key-4") || strings.Contains(text, "key-5") || !strings.Contains(text, "refold replay differences spending-2") {
			t.Errorf("%s: got %s", state, text)
		}
	}
}
