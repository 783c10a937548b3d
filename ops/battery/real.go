package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// enginesFolder keeps what real engines are made of.
const enginesFolder = "bin/engines"

// What an engine logs when it serves.
const (
	kafkaServes     = "Kafka Server started"
	cassandraServes = "Starting listening for CQL clients"
)

// realKafka is a node of Apache Kafka as a process of its own, which keeps what it has in a folder.
func (b *battery) realKafka(dir, address string) *process {
	p := b.engine("kafka", dir, address, 1, 1, kafkaServes)
	p.name = "broker"
	return p
}

// engine is one of the nodes of an engine.
func (b *battery) engine(name, dir, address string, node, nodes int, ready string) *process {
	return &process{
		name: fmt.Sprint(name, "-", node), dir: dir, ready: ready, program: b.engines, engine: true,
		args: []string{
			"-data", enginesFolder, "-dir", filepath.Join(dir, "engines"), "-only", name, "-" + name, address,
			"-nodes", strconv.Itoa(nodes), "-node", strconv.Itoa(node), "be",
		},
	}
}

// nodes is how many there are of each engine of a cluster.
const nodes = 3

// newCluster starts three nodes of Kafka and three of Cassandra, and a registry.
func (b *battery) newCluster(name string, partitions int) (*fleet, error) {
	k, err := b.emptyBank(name, partitions)
	c := &fleet{bank: k}
	if err != nil {
		return c, err
	}
	first, err := freeAddress()
	if err != nil {
		return c, err
	}
	_, port, err := net.SplitHostPort(first)
	if err != nil {
		return c, err
	}
	at, err := strconv.Atoi(port)
	if err != nil {
		return c, err
	}
	var kafka, cassandra []string
	for n := 1; n <= nodes; n++ {
		c.brokers = append(c.brokers, b.engine("kafka", k.dir, first, n, nodes, kafkaServes))
		kafka = append(kafka, fmt.Sprintf("127.0.0.1:%d", at+2*(n-1)))
		// The ports of Cassandra, which are the same on every address, lie behind those of Kafka.
		c.rows = append(c.rows, b.engine("cassandra", k.dir, fmt.Sprintf("127.0.0.1:%d", at+2*nodes), n, nodes, cassandraServes))
		cassandra = append(cassandra, fmt.Sprintf("127.0.0.%d:%d", n, at+2*nodes))
	}
	k.kafka, c.cassandra = strings.Join(kafka, ","), strings.Join(cassandra, ",")
	k.others = append(append(k.others, c.brokers...), c.rows...)
	if err := startAll(c.brokers); err != nil {
		return c, err
	}
	for _, p := range c.rows { // one after the other: they share out the ring
		if err := p.start(); err != nil {
			return c, err
		}
	}
	return c, k.startRegistry()
}
