package cassandra

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/gocql/gocql"
)

// ErrNewer is wrapped where the tables are of a newer build than this one. Run that build, or another keyspace.
var ErrNewer = errors.New("the tables are of a newer version than this build knows")

// migrations make, one after the other, the tables of each version from those of the one before. Every statement may be
// run again. A column that was dropped never comes back under its name: Cassandra remembers when it was dropped by a
// clock, and our writes are older than any clock.
func migrations() [][]string {
	return [][]string{{
		`CREATE TABLE IF NOT EXISTS rows (
			projection text, generation bigint, task int, bucket int, key blob, value blob,
			PRIMARY KEY ((projection, generation, task, bucket), key))`,
		`CREATE TABLE IF NOT EXISTS checkpoints (
			projection text, generation bigint, task int, checkpoint text,
			PRIMARY KEY ((projection, generation), task))`,
	}}
}

// keyspaceName is what a keyspace may be called, so that it needs no quotes.
var keyspaceName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

// Migrate makes what is missing of the keyspace and its tables, and returns their version. It may be run again.
func Migrate(ctx context.Context, cfg Config) (version int, err error) {
	if err = greet(ctx, cfg); err == nil {
		err = migrate(ctx, cfg)
	}
	if err != nil {
		return 0, fmt.Errorf("open keyspace %s at %v: %w", cfg.Keyspace, cfg.Hosts, err)
	}
	return len(migrations()), nil
}

// migrate makes the keyspace and the tables that are missing.
func migrate(ctx context.Context, cfg Config) error {
	if !keyspaceName.MatchString(cfg.Keyspace) {
		return fmt.Errorf("a keyspace is named in up to 48 of a-z, 0-9 and _, and begins with a letter: %q is not", cfg.Keyspace)
	}
	outside, err := connect(cfg, "")
	if err != nil {
		return err
	}
	defer outside.Close()
	// The name was checked, and cannot be bound.
	err = outside.Query(fmt.Sprintf(
		`CREATE KEYSPACE IF NOT EXISTS %s WITH replication = {'class': 'NetworkTopologyStrategy', 'replication_factor': %d}`, cfg.Keyspace, max(cfg.Replicas, 1))).WithContext(ctx).Exec()
	if err != nil {
		return fmt.Errorf("make the keyspace: %w", err)
	}
	session, err := connect(cfg, cfg.Keyspace)
	if err != nil {
		return err
	}
	defer session.Close()
	if err := session.Query(`CREATE TABLE IF NOT EXISTS schema_version (id int PRIMARY KEY, version int)`).WithContext(ctx).Exec(); err != nil {
		return fmt.Errorf("make the table of the version: %w", err)
	}
	return migrateTables(ctx, session)
}

func migrateTables(ctx context.Context, session *gocql.Session) error {
	var version int
	err := session.Query(`SELECT version FROM schema_version WHERE id = 0`).WithContext(ctx).Scan(&version)
	if err != nil && !errors.Is(err, gocql.ErrNotFound) {
		return fmt.Errorf("read the version of the tables: %w", err)
	}
	all := migrations()
	if version > len(all) {
		return fmt.Errorf("%w: they are of version %d, this build knows %d", ErrNewer, version, len(all))
	}
	for ; version < len(all); version++ {
		for _, statement := range all[version] {
			if err := session.Query(statement).WithContext(ctx).Exec(); err != nil {
				return fmt.Errorf("make the tables of version %d: %w", version+1, err)
			}
		}
		err := session.Query(`INSERT INTO schema_version (id, version) VALUES (0, ?) USING TIMESTAMP ?`, version+1, int64(version+1)).WithContext(ctx).Exec()
		if err != nil {
			return fmt.Errorf("note the version of the tables: %w", err)
		}
	}
	return nil
}
