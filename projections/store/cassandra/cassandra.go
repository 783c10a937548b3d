// Package cassandra keeps rows in Cassandra, so that any of several processes reads and writes them.
//
// A row is one cell, and the time of its write is the position that it was folded to. Cassandra keeps of two writes
// that with the later time, whichever comes last. A fold is pure and its order is the log's, so two writes of one time
// are the same bytes: a write that is repeated because nobody knows whether it was applied, one that comes minutes
// late, and one of a process that has lost its task without knowing it, either lose, or say the same, or are ahead and
// true. Where it was decided that events are left out of a row, how many goes before the position. There is no clock in
// this, no lightweight transaction, no counter and no deletion of a row.
//
// Rows and checkpoint are not one write here: the rows come first, and the checkpoint when all of them are there. What
// a crash leaves is rows that may be ahead of their checkpoint. They carry their positions, so folding again passes
// over what they hold.
package cassandra

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"time"

	"github.com/gocql/gocql"

	"github.com/refold/refold/projections/store"
	"github.com/refold/refold/streams/secure"
)

// Config says where rows are kept, and how.
type Config struct {
	// Hosts are some of Cassandra's nodes, HOST:PORT each; it tells the others.
	Hosts []string
	// Keyspace holds everything. It is made where it is not there, and then with so many replicas in each data
	// centre: 1 where Replicas is 0.
	Keyspace string
	Replicas int
	// TLS is how connections are encrypted; User and Password are who this process says that it is, nobody where User is
	// empty.
	TLS      secure.TLS
	User     string
	Password secure.Secret
	// DataCentre is the one whose nodes are asked, all where it is empty. Consistency is how many of a row's replicas
	// must have answered: LOCAL_QUORUM where it is empty.
	DataCentre  string
	Consistency string
	// Position returns the position that a stored row was folded to, which with several sources is the sum of all.
	Position func(value []byte) int64
	Logger   *slog.Logger

	dialer gocql.Dialer // of tests, that disturb connections
}

// Stores keeps generations in one keyspace.
type Stores struct {
	cfg     Config
	session *gocql.Session
	window  *window
	// impatient is done when nothing is tried again any more; see GiveUp.
	impatient context.Context
	giveUp    context.CancelFunc
}

// timeout bounds one request. Cassandra's own bounds are shorter.
const timeout = 10 * time.Second

// Open connects to Cassandra, and makes the tables there that are missing. The caller closes what it returns when its
// stores are closed.
func Open(ctx context.Context, cfg Config) (*Stores, error) {
	if _, err := Migrate(ctx, cfg); err != nil {
		return nil, err
	}
	session, err := connect(cfg, cfg.Keyspace)
	if err != nil {
		return nil, fmt.Errorf("open keyspace %s at %v: %w", cfg.Keyspace, cfg.Hosts, err)
	}
	s := &Stores{cfg: cfg, session: session, window: newWindow()}
	s.impatient, s.giveUp = context.WithCancel(context.Background())
	return s, nil
}

// greet finds out what is wrong with certificates, which the driver does not tell.
func greet(ctx context.Context, cfg Config) error {
	if !cfg.TLS.On {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := cfg.TLS.DialContext(ctx, "tcp", cfg.Hosts[0])
	if said := secure.Explain(err); said != "" {
		return fmt.Errorf("%w: %s", ErrCertificate, said)
	}
	if err != nil {
		return err
	}
	return conn.Close()
}

// Consistencies are those with which a row that was saved is read again, whichever replica answers: a majority of the
// nearest data centre, of all, or everyone.
func Consistencies() []string { return []string{"LOCAL_QUORUM", "QUORUM", "EACH_QUORUM", "ALL"} }

// ErrCertificate is wrapped where a certificate is at fault.
var ErrCertificate = errors.New("no connection is made")

// ErrLogin is wrapped where the nodes do not take who this process says that it is.
var ErrLogin = errors.New("the login is refused")

// refused is what Cassandra says of a wrong user or password; the driver hands on the text alone.
var refused = regexp.MustCompile(`(?i)username .* incorrect|bad credentials|authentication required|no login`)

func connect(cfg Config, keyspace string) (*gocql.Session, error) {
	c := gocql.NewCluster(cfg.Hosts...)
	c.Keyspace = keyspace
	c.Consistency = gocql.LocalQuorum
	if cfg.Consistency != "" {
		var err error
		if c.Consistency, err = gocql.ParseConsistencyWrapper(cfg.Consistency); err != nil {
			return nil, fmt.Errorf("%q is no consistency of Cassandra: %w", cfg.Consistency, err)
		}
	}
	c.Timeout, c.ConnectTimeout, c.WriteTimeout = timeout, timeout, timeout
	// Every statement says the time of its write.
	c.DefaultTimestamp = false
	c.DefaultIdempotence = true
	near := gocql.RoundRobinHostPolicy()
	if cfg.DataCentre != "" {
		near = gocql.DCAwareRoundRobinPolicy(cfg.DataCentre)
	}
	c.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(near, gocql.ShuffleReplicas())
	c.ReconnectInterval = time.Second
	if c.Dialer = cfg.dialer; cfg.TLS.On && cfg.dialer == nil {
		c.Dialer = cfg.TLS
	}
	if cfg.User != "" {
		c.AuthProvider = func(*gocql.HostInfo) (gocql.Authenticator, error) {
			password, err := cfg.Password.Read()
			return gocql.PasswordAuthenticator{Username: cfg.User, Password: password}, err
		}
	}
	c.Logger = logger{cfg.Logger}
	session, err := c.CreateSession()
	if err != nil && refused.MatchString(err.Error()) {
		err = fmt.Errorf("%w: %w", ErrLogin, err)
	}
	return session, err
}

// Close ends the connections.
func (s *Stores) Close() {
	s.giveUp()
	s.session.Close()
}

// GiveUp ends the patience of all stores: until it is called, tasks wait for as long as Cassandra does not take what
// they save, or does not answer what they read; from then on they fail at the first error. It is called before what
// uses the stores is stopped.
func (s *Stores) GiveUp() { s.giveUp() }

// Open implements store.Stores.
func (s *Stores) Open(g store.Generation) (store.Store, error) {
	return &rows{
		reader: reader{stores: s, generation: g, do: s.insist},
		tasks:  make(map[int32]*task), open: make(map[*snapshot]bool),
	}, nil
}

// Drop implements store.Stores. Whatever is still written to the generation later is gone as well, so its number must
// not come back.
func (s *Stores) Drop(g store.Generation) error {
	err := s.drop(g)
	if err != nil {
		return fmt.Errorf("drop rows of %s generation %d: %w", g.Projection, g.Number, err)
	}
	return nil
}

// drop deletes the rows of every task, and then what says which tasks there are: after a crash between, dropping again
// finds them again.
func (s *Stores) drop(g store.Generation) error {
	tasks, err := s.tasksOf(g)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		for bucket := range buckets {
			err := s.insist(func(ctx context.Context) error {
				return s.session.Query(`DELETE FROM rows USING TIMESTAMP ? WHERE projection = ? AND generation = ? AND task = ? AND bucket = ?`,
					int64(math.MaxInt64), g.Projection, g.Number, task, bucket).WithContext(ctx).Exec()
			})
			if err != nil {
				return err
			}
		}
	}
	if len(tasks) == 0 {
		return nil
	}
	return s.insist(func(ctx context.Context) error {
		return s.session.Query(`DELETE FROM checkpoints USING TIMESTAMP ? WHERE projection = ? AND generation = ?`,
			int64(math.MaxInt64), g.Projection, g.Number).WithContext(ctx).Exec()
	})
}

func (s *Stores) tasksOf(g store.Generation) (tasks []int32, err error) {
	err = s.insist(func(ctx context.Context) error {
		tasks = tasks[:0]
		iter := s.session.Query(`SELECT task FROM checkpoints WHERE projection = ? AND generation = ?`, g.Projection, g.Number).WithContext(ctx).Iter()
		var task int32
		for iter.Scan(&task) {
			tasks = append(tasks, task)
		}
		return iter.Close()
	})
	return tasks, err
}

// Patience with what does not come to pass at once.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = time.Second
	// briefly is how long a reader waits that somebody waits for.
	briefly = 5 * time.Second
	// sayAgain is how often it is told that Cassandra is waited for.
	sayAgain = 10 * time.Second
)

// insist does something again and again, until it succeeds or GiveUp is called. What is asked wrongly is not tried
// again.
func (s *Stores) insist(do func(context.Context) error) error { return s.repeat(s.impatient, do) }

// try is insist for a short time.
func (s *Stores) try(do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(s.impatient, briefly)
	defer cancel()
	return s.repeat(ctx, do)
}

func (s *Stores) repeat(patience context.Context, do func(context.Context) error) error {
	pause, said := firstPause, time.Now()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		err := do(ctx)
		cancel()
		if err == nil || wrong(err) {
			return err
		}
		if time.Since(said) >= sayAgain {
			said = time.Now()
			s.cfg.Logger.Error("Cassandra does not take or tell rows: waiting until it does", "hosts", s.cfg.Hosts, "keyspace", s.cfg.Keyspace, "error", err)
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, lastPause)
		case <-patience.Done():
			return err
		}
	}
}

// wrong tells whether an error says that asking again gives the same one.
func wrong(err error) bool {
	var said gocql.RequestError
	if errors.As(err, &said) {
		switch said.Code() {
		case gocql.ErrCodeSyntax, gocql.ErrCodeInvalid, gocql.ErrCodeConfig, gocql.ErrCodeUnauthorized, gocql.ErrCodeCredentials, gocql.ErrCodeProtocol:
			return true
		}
	}
	return errors.Is(err, gocql.ErrSessionClosed) || errors.Is(err, errForm)
}

// errForm is wrapped where something stored is not in the form that this build writes.
var errForm = errors.New("it cannot be read")

// logger gives the driver's own words to the structured log. What matters of them is said by who is kept waiting.
type logger struct{ to *slog.Logger }

func (l logger) Print(v ...any) { l.to.Debug("Cassandra driver: " + fmt.Sprint(v...)) }
func (l logger) Printf(format string, v ...any) {
	l.to.Debug("Cassandra driver: " + fmt.Sprintf(format, v...))
}
func (l logger) Println(v ...any) { l.Print(v...) }
