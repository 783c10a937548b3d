package main

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// cluster returns the nodes of one engine. Those of Kafka listen on one port after the other, and those of Cassandra on
// one address after the other, because all its nodes have the same ports.
func (s settings) cluster(dir, name, address string) ([]*engine, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	nodes := max(s.nodes, 1)
	first, err := strconv.Atoi(port)
	if err != nil || first < 1 || first+2*nodes > 65536 {
		return nil, fmt.Errorf("%q is no port with room for %d after it", port, 2*nodes-1)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil && nodes > 1 {
		return nil, fmt.Errorf("%d nodes: %w", nodes, err)
	}
	out := make([]*engine, nodes)
	for i := range out {
		e := &engine{Name: name, Dir: filepath.Join(dir, name), Host: host, Port: first, Inner: first + 1, ID: cmp.Or(s.id, keptID), Node: i + 1, Cluster: out}
		if nodes > 1 {
			e.Dir += fmt.Sprintf("-%d-of-%d", e.Node, nodes)
		}
		if name == kafka {
			e.Port, e.Inner = first+2*i, first+2*i+1
		} else if i > 0 {
			ip = ip.Next()
			e.Host = ip.String()
		}
		out[i] = e
	}
	return out, nil
}

// addresses are those of all nodes.
func (e *engine) addresses() string {
	var all []string
	for _, n := range e.Cluster {
		all = append(all, n.address())
	}
	return strings.Join(all, ",")
}

// String returns what people call the engine.
func (e *engine) String() string {
	if len(e.Cluster) < 2 {
		return e.Name
	}
	return fmt.Sprint(e.Name, " ", e.Node)
}

// controllers names every node of a cluster of Kafka with the id of its data folder.
func (e *engine) controllers() string {
	var all []string
	for _, n := range e.Cluster {
		id := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "refold-node-%04d", n.Node))
		all = append(all, fmt.Sprintf("%d@%s:%d:%s", n.Node, n.Host, n.Inner, id))
	}
	return strings.Join(all, ",")
}

// Controllers is where the controllers of a cluster of Kafka listen.
func (e *engine) Controllers() string { return e.inner() }

// Seeds are the nodes of Cassandra that one asks for the others: all, so that any two find each other.
func (e *engine) Seeds() string { return e.inner() }

// inner is where the nodes of a cluster talk to each other.
func (e *engine) inner() string {
	var all []string
	for _, n := range e.Cluster {
		all = append(all, net.JoinHostPort(n.Host, strconv.Itoa(n.Inner)))
	}
	return strings.Join(all, ",")
}

// Replicas is how many copies there are of everything, and InSync how many of them must be written.
func (e *engine) Replicas() int { return min(len(e.Cluster), 3) }

// InSync leaves room for one node that is away.
func (e *engine) InSync() int { return max(e.Replicas()-1, 1) }
