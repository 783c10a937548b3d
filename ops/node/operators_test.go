package node_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/projections/catalog"
	"github.com/refold/refold/schemas/api/bankv1"
)

// scrape returns the metrics of a node, as they are on the wire and by name.
func scrape(t *testing.T, n *node.Node) (text string, byName map[string]*dto.MetricFamily) {
	t.Helper()
	body := fetch(t, n, "/metrics")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	byName, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return body, byName
}

func fetch(t *testing.T, n *node.Node, path string) string {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.Addresses().Operators+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %s, %v", path, resp.Status, err)
	}
	return string(body)
}

// sum adds up a metric, over everything whose label has a value.
func sum(f *dto.MetricFamily, label, value string) float64 {
	total := 0.0
	for _, m := range f.GetMetric() {
		if slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetName() == label && l.GetValue() != value }) {
			continue
		}
		total += m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetSummary().GetSampleCount())
	}
	return total
}

// What operators look at says what was done: commands that were answered, and projections that have folded them.
func TestMetricsSayWhatWasDone(t *testing.T) {
	cfg := local(t.TempDir())
	cfg.Partitions, cfg.Listen.Operators = 3, "127.0.0.1:0"
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := bankv1.NewTransactionsServiceClient(dial(t, n)).OpenAccount(t.Context(), opening("c1.main")); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(context.Context) error {
		_, m := scrape(t, n)
		if sum(m["refold_projection_next_offset"], "projection", "balances") == 0 || sum(m["refold_projection_lag_records"], "", "") > 0 {
			return errors.New("the projections have not folded it")
		}
		return nil
	})
	text, m := scrape(t, n)
	for name, want := range map[string]float64{
		"refold_journal_records_total": 1, "refold_journal_commit_seconds": 1, "refold_journal_serves": 3,
		"refold_journal_failures_total": 0, "refold_projection_live": float64(len(catalog.All())), "refold_projection_parked_rows": 0,
	} {
		if got := sum(m[name], "", ""); m[name] == nil || got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if got := sum(m["refold_journal_commands_total"], "", ""); got < 1 { // looking for holds that expire is a command, too
		t.Errorf("got %v commands, want one at least", got)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "refold_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for name := range maps.Keys(m) {
		if !strings.HasPrefix(name, "refold_") && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			t.Errorf("%s is nobody's", name)
		}
	}
	if page := fetch(t, n, "/debug/pprof/"); !strings.Contains(page, "goroutine") {
		t.Errorf("got %q, want the list of profiles", page)
	}
}
