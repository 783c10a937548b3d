package main

import "path/filepath"

// enginesFolder keeps what real engines are made of.
const enginesFolder = "bin/engines"

// realKafka is a node of Apache Kafka as a process of its own, which keeps what it has in a folder.
func (b *battery) realKafka(dir, address string) *process {
	return &process{
		name: "broker", dir: dir, ready: "Kafka Server started", program: b.engines,
		args: []string{"-data", enginesFolder, "-dir", filepath.Join(dir, "engines"), "-only", "kafka", "-kafka", address, "be"},
	}
}
