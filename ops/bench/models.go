package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/creditscore"
	shops "github.com/refold/refold/projections/merchants"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/rewards"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/totals"
	"github.com/refold/refold/projections/trail"
)

// readModels are the read models of the bank that are built from the journal, spending first. Those with effects are
// not among them: effects are for rounds.
func readModels() []*projection.Definition {
	return []*projection.Definition{
		spending.Definition(), balances.Definition(), creditscore.Definition(), rewards.Definition(), shops.Definition(), totals.Definition(),
	}
}

// definitionsOf returns projections by their names, spending and trail where there are none.
func definitionsOf(names []string) (out []*projection.Definition) {
	if len(names) == 0 {
		return []*projection.Definition{spending.Definition(), trail.Definition()}
	}
	for _, d := range readModels() {
		if slices.Contains(names, d.Name) {
			out = append(out, d)
		}
	}
	return out
}

// models measures rebuilding each read model alone and all of them from one pass, as shares of the rate of spending.
func (b *bench) models(ctx context.Context) error {
	if !b.wants(partModels) {
		return nil
	}
	l, err := b.kept(ctx, partFull)
	if err != nil {
		return err
	}
	var each [][]string
	var names []string
	for _, d := range readModels() {
		each, names = append(each, []string{d.Name}), append(names, d.Name)
	}
	for _, group := range append(each, names) {
		if err := b.model(ctx, l, group); err != nil {
			return errors.Join(err, l.Close())
		}
	}
	return l.Close()
}

// model measures rebuilding some read models, the best of some runs.
func (b *bench) model(ctx context.Context, l *journaled, group []string) error {
	const alone = "rebuild spending alone"
	name := "rebuild " + strings.Join(group, ", ")
	goals := map[string]string{"balances": "at least 250,000 events/s", "creditscore": "at least 0.50", "rewards": "at least 0.50"}
	f := figure{Unit: "records/s", Of: alone, Goal: goals[group[0]]}
	if len(group) == 1 {
		name += " alone"
	} else {
		f.Goal = "at least 0.40"
	}
	var best read
	for range rounds {
		r, err := b.reader(ctx, reading{Address: l.Addr(), Projections: group})
		if err != nil {
			return err
		}
		if best.Seconds == 0 || r.Seconds < best.Seconds {
			best = r
		}
	}
	n := float64(best.Records)
	f.Name, f.Value = name, n/best.Seconds
	if limit := b.value(alone); limit > 0 {
		f.Ratio = f.Value / limit
	}
	b.add(f)
	b.add(figure{Name: "processor time of it", Value: 1e6 * best.Processor / n, Unit: fmt.Sprintf("µs a record, %.0f MB", best.Memory)})
	return nil
}
