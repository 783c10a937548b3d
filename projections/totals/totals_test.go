package totals

import (
	"testing"

	"github.com/refold/refold/projections/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

func TestScripts(t *testing.T) { harness.Scripts(t, Definition()) }
