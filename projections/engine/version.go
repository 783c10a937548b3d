package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/projection"
)

// Names returns the names of the projections in the catalog, each once, in its order.
func (e *Engine) Names() []string {
	var names []string
	for _, d := range e.cfg.Catalog {
		if !slices.Contains(names, d.Name) {
			names = append(names, d.Name)
		}
	}
	return names
}

// newest returns the definition that a new generation of a projection is made of.
func (e *Engine) newest(name string) (*projection.Definition, error) {
	var newest *projection.Definition
	for _, d := range e.cfg.Catalog {
		if d.Name == name && (newest == nil || d.Version > newest.Version) {
			newest = d
		}
	}
	if newest == nil {
		return nil, fmt.Errorf("%w: %s", ErrUnknown, name)
	}
	return newest, nil
}

// errNoFold is wrapped where this build cannot fold a generation, and never will.
var errNoFold = errors.New("this build cannot fold the generation")

// definition returns what folds a generation. The same version with another hash is refused: its rows
// would not be those of the fold that made the others.
func (e *Engine) definition(name string, g acts.Generation) (*projection.Definition, error) {
	for _, d := range e.cfg.Catalog {
		if d.Name != name || d.Version != g.Version {
			continue
		}
		if d.Hash != g.Hash {
			return nil, fmt.Errorf("%w: %s version %d makes other rows than it did (%s, not %s): raise the version", errNoFold, name, g.Version, d.Hash, g.Hash)
		}
		return d, nil
	}
	return nil, fmt.Errorf("%w: it has no version %d of %s", errNoFold, g.Version, name)
}
