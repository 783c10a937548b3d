package cassandra

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/projections/store/suite"
)

// address returns where a real Cassandra is; without one the test is skipped.
func address(t testing.TB) string {
	t.Helper()
	at := os.Getenv("REFOLD_CASSANDRA")
	if at == "" {
		t.Skip("skipped: REFOLD_CASSANDRA names no Cassandra: task test:real starts one")
	}
	return at
}

var keyspaces atomic.Int64

// config returns the configuration of a keyspace that is the test's own.
func config(t testing.TB, position func([]byte) int64) Config {
	t.Helper()
	cfg := Config{
		Hosts: []string{address(t)}, Keyspace: fmt.Sprintf("t%d_%d", time.Now().UnixNano(), keyspaces.Add(1)),
		Position: position, Logger: slog.New(slog.DiscardHandler),
	}
	t.Cleanup(func() {
		session, err := connect(cfg, "")
		if err != nil {
			t.Error(err)
			return
		}
		defer session.Close()
		if err := session.Query("DROP KEYSPACE IF EXISTS " + cfg.Keyspace).Exec(); err != nil {
			t.Error(err)
		}
	})
	return cfg
}

func open(t testing.TB, cfg Config) *Stores {
	t.Helper()
	s, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// later has every row be of a later position than those before.
func later() func([]byte) int64 {
	var n atomic.Int64
	return func([]byte) int64 { return n.Add(1) }
}

func TestSuite(t *testing.T) {
	places := make(map[string]Config)
	suite.Run(t, func(t *testing.T) store.Stores {
		cfg, known := places[t.Name()]
		if !known {
			cfg = config(t, later())
			places[t.Name()] = cfg
		}
		return open(t, cfg)
	})
}
