package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/projections/store/cassandra"
)

// Check says everything that is wrong with the settings of a node that serves, each with its key.
func (c Config) Check(now time.Time) error {
	problems := []error{c.CheckKafka(now), c.CheckRows(now), c.checkListen()}
	wrong := func(key, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	for _, r := range c.Roles {
		if !slices.Contains([]string{string(node.Registry), string(node.Transactions), string(node.Projections), everything}, r) {
			wrong("roles", "%q is none of registry, transactions, projections, all", r)
		}
	}
	if len(c.Roles) == 0 {
		wrong("roles", "there are none")
	}
	if c.Data == "" {
		wrong("data", "there is no folder")
	}
	if c.Retain != 0 && c.Retain < time.Second {
		wrong("retain", "%s is less than a second: say it as 24h", c.Retain)
	}
	if c.MemoryMB < 0 {
		wrong("memory_mb", "%d is less than nothing", c.MemoryMB)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		wrong("log_level", "%q is none of debug, info, warn, error", c.LogLevel)
	}
	if own := c.roles(); len(own) > 0 && !slices.Contains(own, node.Registry) && len(c.Registry.URLs) == 0 {
		wrong("registry.urls", "they are missing, for a node without the role registry")
	}
	for _, url := range c.Registry.URLs {
		if _, _, err := net.SplitHostPort(url); err != nil && !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
			wrong("registry.urls", "%q is no address such as http://HOST:PORT", url)
		}
	}
	return settings(problems...)
}

// checkListen says what is wrong with where the node listens, and is reached.
func (c Config) checkListen() error {
	var problems []error
	for _, a := range []struct {
		key, at string
		needed  bool
	}{
		{"listen.http", c.Listen.HTTP, true}, {"listen.grpc", c.Listen.GRPC, true}, {"listen.registry", c.Listen.Registry, true},
		{"listen.operators", c.Listen.Operators, false}, {"advertise", c.Advertise, false},
	} {
		if _, _, err := net.SplitHostPort(a.at); err != nil && (a.at != "" || a.needed) {
			problems = append(problems, fmt.Errorf("%s: %q is no HOST:PORT", a.key, a.at))
		}
	}
	return settings(problems...)
}

// CheckKafka says what is wrong with how the brokers are reached.
func (c Config) CheckKafka(now time.Time) error {
	var problems []error
	if len(c.Kafka.Brokers) == 0 {
		problems = append(problems, errors.New("kafka.brokers: they are missing"))
	}
	for _, b := range c.Kafka.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			problems = append(problems, fmt.Errorf("kafka.brokers: %q is no HOST:PORT", b))
		}
	}
	problems = append(problems, c.Kafka.TLS.secure().Check("kafka.tls", now), c.Kafka.SASL.login().Check("kafka.sasl"))
	return settings(problems...)
}

// CheckRows says what is wrong with where rows are kept.
func (c Config) CheckRows(now time.Time) error {
	r := c.Rows
	cfg, err := r.store()
	if err != nil {
		return settings(fmt.Errorf("rows.address: %w", err))
	}
	if cfg == nil {
		r.Consistency = ""
		if r != (Rows{}) {
			return settings(errors.New("rows.address: it is empty, and there are settings of Cassandra beside it"))
		}
		return nil
	}
	problems := []error{cfg.TLS.Check("rows.tls", now)}
	if cfg.User != "" {
		problems = append(problems, cfg.Password.Check("rows.password"))
	}
	if !slices.Contains(cassandra.Consistencies(), cfg.Consistency) {
		problems = append(problems, fmt.Errorf("rows.consistency: %q is none of %s", cfg.Consistency, strings.Join(cassandra.Consistencies(), ", ")))
	}
	return settings(problems...)
}

// settings joins problems, of which there may be none, under one ErrSettings.
func settings(problems ...error) error {
	var flat []error
	for _, p := range problems {
		if joined, ok := errors.AsType[*problem](p); ok {
			flat = append(flat, joined.all)
		} else if p != nil {
			flat = append(flat, p)
		}
	}
	if len(flat) == 0 {
		return nil
	}
	return &problem{errors.Join(flat...)}
}

// problem is everything that is wrong with settings.
type problem struct{ all error }

func (p *problem) Error() string   { return p.all.Error() }
func (p *problem) Unwrap() []error { return []error{ErrSettings, p.all} }
