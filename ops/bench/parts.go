package main

import (
	"fmt"
	"slices"
	"strings"
)

// The parts of the table, in its order.
const (
	partGenerate = "generate" // and read raw, of the long log
	partRebuild  = "rebuild"
	partReplay   = "replay"
	partDecode   = "decode"
	partVerify   = "verify"
	partImport   = "import" // of a server with read models
	partLatency  = "latency"
	partStart    = "start"
	partSingle   = "single" // of commands
	partUnary    = "unary"
	partSteady   = "steady"
	partSubmit   = "submit"
	partTakeover = "takeover"
	partKeys     = "keys"
	partFull     = "full" // of rebuilding from long logs
	partLean     = "lean"
	partModels   = "models" // each read model from the log of full
)

// usual are the parts that are measured where none is asked for: all but those that take minutes.
var usual = []string{
	partGenerate, partRebuild, partReplay, partDecode, partVerify, partImport, partLatency, partStart,
	partSingle, partUnary, partSteady, partSubmit, partTakeover,
}

func all() []string { return append(slices.Clone(usual), partKeys, partFull, partLean, partModels) }

// choose returns the parts of a list with commas.
func choose(list string) ([]string, error) {
	parts := strings.Split(list, ",")
	for _, p := range parts {
		if !slices.Contains(all(), p) {
			return nil, fmt.Errorf("there is no part %q: the parts are %s", p, strings.Join(all(), ", "))
		}
	}
	return parts, nil
}

// wants tells whether one of some parts is to be measured.
func (b *bench) wants(parts ...string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return slices.Contains(b.only, p) })
}
