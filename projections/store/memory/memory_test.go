package memory_test

import (
	"testing"

	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/projections/store/suite"
)

func TestSuite(t *testing.T) {
	places := make(map[string]*memory.Stores)
	suite.Run(t, func(t *testing.T) store.Stores {
		if places[t.Name()] == nil {
			places[t.Name()] = memory.New()
		}
		return places[t.Name()]
	})
}
