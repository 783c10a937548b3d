package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Who asks wrongly is told so, in plain words and without anything being done.
func TestAskedWrongly(t *testing.T) {
	data := t.TempDir()
	p := up(t, data, "Data", "--partitions", "3")
	defer p.stop()
	junk, folder := filepath.Join(t.TempDir(), "junk"), filepath.Join(t.TempDir(), "export")
	if err := os.WriteFile(junk, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"export " + folder + " --every -1s":       "--every: -1s is less than nothing",
		"export " + folder + " --every soon":      `--every: "soon" is not a duration such as 90s`,
		"transfers --older-than -1h":              "--older-than: -1h0m0s is less than nothing",
		"tail bank.transactions -n=-1":            "--count: -1 is less than nothing",
		"tail bank.transactions -n=few":           `--count: "few" is not a whole number`,
		"tail bank.transactions --follow=perhaps": `--follow: "perhaps" is not true or false`,
		"tail nosuch":                                    `there is no topic "nosuch"`,
		"tail bank.transactions --partition=-7":          "--partition: -7 is less than nothing",
		"tail bank.transactions --partition 3":           "bank.transactions has 3 partitions, from 0 on, and no 3",
		"replay spending --max-rate=-5 --plan":           "--max-rate: -5 is less than nothing",
		"replay cap spending --max-rate=-5":              "--max-rate: -5 is less than nothing",
		"replay spending --max-rate abc":                 `--max-rate: "abc" is not a whole number`,
		"replay spending --max-rate 9999999999999999999": `or is one too large`,
		"replay cap spending":                            "--max-rate says how many records a second",
		"replay spending --key= --plan":                  "--key: there is nothing in it",
		"replay spending --from nonsense":                `"nonsense" is no beginning`,
		"replay cancel":                                  `"replay cancel": it is refold cancel`,
		"replay promote spending":                        `"replay promote": it is refold promote`,
		"replay fly spending":                            `"replay fly": see refold help replay`,
		"why spending bcc --at yesterday":                `--at: "yesterday" is no time such as 2024-01-31T12:00:00Z`,
		"why spending bcc --page junk":                   "page_token",
		"why nosuch bcc":                                 "there is no such projection",
		"effects alerts --compare a 2":                   `such as 1 and 2: not "a" and "2"`,
		"certificate verify " + junk:                     junk + " is no certificate",
		"status --log-level loud":                        `"loud" is none of debug`,
		"up --memory=-1":                                 "--memory: -1 is less than nothing",
		"up --retain=-1h":                                "--retain: -1h0m0s is less than nothing",
		"up --partitions=-1":                             "--partitions: -1 is less than nothing",
	} {
		code, stdout, stderr := refold(t, data, strings.Fields(line)...)
		if code != exitUsage || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 || stdout != "" {
			t.Errorf("%s: got %d, %q, %q, want %q", line, code, stdout, stderr, want)
		}
		for _, raw := range []string{"strconv", "parsing", "invalid", "2006"} {
			if strings.Contains(stderr, raw) {
				t.Errorf("%s: it says %q", line, stderr)
			}
		}
	}
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("something was exported: %v", err)
	}
}
