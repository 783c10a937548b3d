package cassandra

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Parse reads where rows are kept from its short form, cassandra://HOST:PORT[,HOST:PORT]/KEYSPACE[?replicas=N]. What is
// not said in it is zero.
func Parse(address string) (cfg Config, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return cfg, fmt.Errorf("%q: %w", address, errAddress)
	}
	cfg.Keyspace = strings.TrimPrefix(u.Path, "/")
	if u.Scheme != "cassandra" || u.User != nil || u.Fragment != "" || !keyspaceName.MatchString(cfg.Keyspace) {
		return cfg, fmt.Errorf("%q: %w", address, errAddress)
	}
	for host := range strings.SplitSeq(u.Host, ",") {
		if name, port, err := net.SplitHostPort(host); err != nil || name == "" || port == "" {
			return cfg, fmt.Errorf("%q: %w", address, errAddress)
		}
		cfg.Hosts = append(cfg.Hosts, host)
	}
	for key, values := range u.Query() {
		n, err := strconv.Atoi(values[0])
		if key != "replicas" || len(values) != 1 || err != nil || n < 1 {
			return cfg, fmt.Errorf("%q: %q: %w", address, key, errAddress)
		}
		cfg.Replicas = n
	}
	return cfg, nil
}

var errAddress = errors.New("rows in Cassandra are said as cassandra://HOST:PORT[,HOST:PORT]/KEYSPACE[?replicas=N]," +
	" the keyspace in up to 48 of a-z, 0-9 and _")
