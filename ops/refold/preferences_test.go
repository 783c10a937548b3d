package main

import (
	"strings"
	"testing"
)

// What is set on the command line is shown by it, and what the bank refuses is named.
func TestPreferencesOfARunningBank(t *testing.T) {
	data := t.TempDir()
	p := up(t, data, "Data", "--partitions", "2")
	defer p.stop()
	set := []string{"preferences", "set", "alice", "--time-zone", "Europe/Paris", "--key", "k1",
		"--rule", "large-purchase=50000", "--rule", "low-balance=off", "--rule", "payment-returned"}
	rules := "KIND              WANTED  LIMIT\n" +
		"large-purchase    yes     50000\n" +
		"low-balance       no      -\n" +
		"payment-returned  yes     the bank's own\n" +
		"time zone Europe/Paris; revision 1, set at "
	for range 2 { // with the same key once
		if out := well(t, data, set...); !strings.HasPrefix(out, rules) {
			t.Errorf("got\n%s\nwant\n%s", out, rules)
		}
	}
	until(t, "it is folded", func() bool {
		_, out, _ := refold(t, data, "preferences", "get", "alice")
		return strings.HasPrefix(out, rules)
	})
	if out := well(t, data, "preferences", "set", "alice", "--rule", "score-change=20"); !strings.Contains(out, "time zone UTC; revision 2") || strings.Contains(out, "large-purchase") {
		t.Errorf("got %s, want what was said only", out)
	}
	if out := well(t, data, "--json", "preferences", "get", "alice"); !strings.Contains(out, `"rules"`) {
		t.Errorf("got %s", out)
	}
	for name, c := range map[string]struct {
		want string
		args []string
	}{
		"nobody":       {"nobody", []string{"get", "nobody"}},
		"no kind":      {"large-purchase, low-balance", []string{"set", "alice", "--rule", "weather=1"}},
		"no limit":     {`"much"`, []string{"set", "alice", "--rule", "low-balance=much"}},
		"no customer":  {"CUSTOMER", []string{"set"}},
		"too much":     {"limit", []string{"set", "alice", "--rule", "score-change=2000"}},
		"no time zone": {"time_zone", []string{"set", "alice", "--time-zone", "Mars/Base"}},
	} {
		if code, _, stderr := refold(t, data, append([]string{"preferences"}, c.args...)...); code != exitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: got %d, %q, want it to say %s", name, code, stderr, c.want)
		}
	}
}
