// Package catalog lists the projections of the bank: one line each. Deleting a folder and its line
// deletes the read model.
package catalog

import (
	"github.com/refold/refold/projections/alerts"
	"github.com/refold/refold/projections/balances"
	"github.com/refold/refold/projections/creditscore"
	"github.com/refold/refold/projections/inbox"
	"github.com/refold/refold/projections/merchants"
	"github.com/refold/refold/projections/preferences"
	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/projections/rewards"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/totals"
	"github.com/refold/refold/projections/trail"
)

// All returns every projection.
func All() []*projection.Definition {
	return []*projection.Definition{
		trail.Definition(),
		balances.Definition(),
		creditscore.Definition(),
		merchants.Definition(),
		rewards.Definition(),
		spending.Definition(),
		alerts.Definition(),
		inbox.Definition(),
		preferences.Definition(),
		totals.Definition(),
	}
}
