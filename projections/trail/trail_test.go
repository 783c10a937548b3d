package trail_test

import (
	"testing"

	"github.com/refold/refold/projections/harness"
	"github.com/refold/refold/projections/trail"
)

func TestMain(m *testing.M) { harness.Main(m) }

func TestScripts(t *testing.T) { harness.Scripts(t, trail.Definition()) }
