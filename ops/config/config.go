// Package config is the settings of a node: what they are called, where they come from, and what is wrong with them.
//
// A setting is said in a file of YAML, in the environment or by a flag, of which the later counts. In the environment
// kafka.sasl.user is REFOLD_CFG_KAFKA__SASL__USER, and items of a list have commas between them. What nobody knows is an
// error, wherever it is said: a setting that is misspelt is not left out silently.
package config

import (
	"strings"
	"time"

	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/projections/store/cassandra"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/secure"
)

// Config is every setting.
type Config struct {
	// Roles are what the node does: registry, transactions, projections, or all.
	Roles []string `koanf:"roles"`
	// Data is the folder that holds everything the node keeps on its own disk.
	Data string `koanf:"data"`
	// Partitions is the number of partitions of the bank's topics, which never changes; 0 is what the data folder has,
	// in a new one 12.
	Partitions int32 `koanf:"partitions"`
	// Advertise is where other nodes reach this one's gRPC, HOST:PORT; where it listens, if it is empty.
	Advertise string `koanf:"advertise"`
	// Retain is how long the generation before a promoted one follows on.
	Retain time.Duration `koanf:"retain"`
	// MemoryMB limits the heap, softly; 0 is no limit of ours.
	MemoryMB int64 `koanf:"memory_mb"`
	// LogLevel is debug, info, warn or error.
	LogLevel string   `koanf:"log_level"`
	Listen   Listen   `koanf:"listen"`
	Kafka    Kafka    `koanf:"kafka"`
	Registry Registry `koanf:"registry"`
	Rows     Rows     `koanf:"rows"`
}

// Listen is where the node listens, HOST:PORT each.
type Listen struct {
	HTTP      string `koanf:"http"`
	GRPC      string `koanf:"grpc"`
	Registry  string `koanf:"registry"`
	Operators string `koanf:"operators"`
}

// Kafka is where the brokers are and how they are reached.
type Kafka struct {
	// Brokers are some of them, HOST:PORT each.
	Brokers []string `koanf:"brokers"`
	TLS     TLS      `koanf:"tls"`
	SASL    SASL     `koanf:"sasl"`
}

// TLS says how connections are encrypted. Files are in PEM and may be replaced at any time.
type TLS struct {
	Enabled bool `koanf:"enabled"`
	// CA is who signs the certificates of servers; whom the system trusts, if it is empty.
	CA string `koanf:"ca"`
	// Certificate and Key are this node's own.
	Certificate string `koanf:"certificate"`
	Key         string `koanf:"key"`
	// ServerName is the name in the certificates of servers; that of the address, if it is empty.
	ServerName string `koanf:"server_name"`
}

// SASL is who the node is to the brokers. Of a secret and its file one is said; a file may be replaced at any time.
type SASL struct {
	// Mechanism is SCRAM-SHA-512, SCRAM-SHA-256, OAUTHBEARER or PLAIN; nobody logs in where it is empty.
	Mechanism    string `koanf:"mechanism"`
	User         string `koanf:"user"`
	Password     string `koanf:"password" secret:"true"`
	PasswordFile string `koanf:"password_file"`
	// Token is that of OAUTHBEARER.
	Token     string `koanf:"token" secret:"true"`
	TokenFile string `koanf:"token_file"`
}

// Registry is where schemas are, for a node without the role registry.
type Registry struct {
	// URLs are those of one registry: where one does not answer the next is asked.
	URLs []string `koanf:"urls"`
}

// Rows is where the rows of read models are kept.
type Rows struct {
	// Address is cassandra://HOST:PORT[,HOST:PORT]/KEYSPACE[?replicas=N]; the data folder, if it is empty.
	Address      string `koanf:"address"`
	User         string `koanf:"user"`
	Password     string `koanf:"password" secret:"true"`
	PasswordFile string `koanf:"password_file"`
	// DataCentre is the one whose nodes are asked; all, if it is empty.
	DataCentre string `koanf:"data_centre"`
	// Consistency is how many replicas must have answered.
	Consistency string `koanf:"consistency"`
	TLS         TLS    `koanf:"tls"`
}

// defaults are the settings that nobody has said.
func defaults() Config {
	return Config{
		Roles: []string{"all"}, Data: "refold-data", Retain: 24 * time.Hour, LogLevel: "warn",
		Listen: Listen{HTTP: "127.0.0.1:8080", GRPC: "127.0.0.1:9090", Registry: "127.0.0.1:8081", Operators: "127.0.0.1:6060"},
		Rows:   Rows{Consistency: "LOCAL_QUORUM"},
	}
}

func (t TLS) secure() secure.TLS {
	return secure.TLS{On: t.Enabled, CA: t.CA, Certificate: t.Certificate, Key: t.Key, ServerName: t.ServerName}
}

// Cluster returns how the brokers are reached.
func (k Kafka) Cluster() cluster.Cluster {
	return cluster.Cluster{Seeds: k.Brokers, TLS: k.TLS.secure(), Login: k.SASL.login()}
}

func (s SASL) login() cluster.Login {
	return cluster.Login{
		Mechanism: s.Mechanism, User: s.User,
		Password: secure.Secret{Value: s.Password, File: s.PasswordFile}, Token: secure.Secret{Value: s.Token, File: s.TokenFile},
	}
}

// store returns how the rows are reached, nil where they are on the disk.
func (r Rows) store() (*cassandra.Config, error) {
	if r.Address == "" {
		return nil, nil
	}
	cfg, err := cassandra.Parse(r.Address)
	if err != nil {
		return nil, err
	}
	cfg.TLS, cfg.User, cfg.Password = r.TLS.secure(), r.User, secure.Secret{Value: r.Password, File: r.PasswordFile}
	cfg.DataCentre, cfg.Consistency = r.DataCentre, r.Consistency
	return &cfg, nil
}

// Node returns the settings as a node takes them. They must have been checked.
func (c Config) Node() (node.Config, error) {
	rows, err := c.Rows.store()
	if err != nil {
		return node.Config{}, err
	}
	return node.Config{
		Data: c.Data, Roles: c.roles(), Advertise: c.Advertise, Partitions: c.Partitions, Retain: c.Retain,
		Kafka: strings.Join(c.Kafka.Brokers, ","), KafkaTLS: c.Kafka.TLS.secure(), KafkaLogin: c.Kafka.SASL.login(),
		RegistryURL: strings.Join(c.Registry.URLs, ","), Rows: rows,
		Listen: node.Addresses{HTTP: c.Listen.HTTP, GRPC: c.Listen.GRPC, Registry: c.Listen.Registry, Operators: c.Listen.Operators},
	}, nil
}

// everything is the role that is all of them.
const everything = "all"

// roles returns what the node does; none is all of it.
func (c Config) roles() (out []node.Role) {
	for _, r := range c.Roles {
		if r == everything {
			return nil
		}
		out = append(out, node.Role(r))
	}
	return out
}
