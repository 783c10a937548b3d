package engine

import (
	"fmt"
	"strings"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
)

// onlyOne refuses what is done for projections of one source only.
func onlyOne(d *projection.Definition, what string) error {
	if len(d.Sources) < 2 {
		return nil
	}
	return &acts.Refusal{Why: fmt.Sprintf("%s reads %s: %s is for projections of one source", d.Name, strings.Join(d.Sources, " and "), what)}
}

// onlyOneRuns is onlyOne for every generation of a projection that there is.
func (e *Engine) onlyOneRuns(name string, p acts.Projection, what string) error {
	for _, g := range p.Generations {
		d, err := e.definition(name, g)
		if err != nil || g.Cancelled {
			continue
		}
		if err := onlyOne(d, what); err != nil {
			return err
		}
	}
	return nil
}
