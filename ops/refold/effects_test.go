package main

import (
	"bytes"
	"testing"

	"github.com/refold/refold/schemas/api/refoldv1"
)

func TestEffectsAreShownBySigns(t *testing.T) {
	var out bytes.Buffer
	err := (&cli{stdout: &out}).printEffects(&refoldv1.CompareEffectsResponse{
		Same: 7, Less: 1, More: 2, Changed: 3,
		Differences: []*refoldv1.EffectDifference{
			{EffectId: "a", Event: "bank.NotificationRequested", Before: "{1}"},
			{EffectId: "b", Event: "bank.NotificationRequested", After: "{2}"},
			{EffectId: "c", Event: "bank.NotificationRequested", Before: "{3}", After: "{4}"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `- a bank.NotificationRequested {1}
+ b bank.NotificationRequested {2}
~ c bank.NotificationRequested {3} -> {4}
7 alike, 1 less (-), 2 more (+), 3 changed (~)
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
