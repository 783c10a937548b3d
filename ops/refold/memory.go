package main

import (
	"cmp"
	"math"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"github.com/refold/refold/ops/node"
)

// megabyte is a MB in bytes.
const megabyte = 1 << 20

func memoryFlag(cmd *cobra.Command, megabytes *int64) {
	cmd.Flags().Int64Var(megabytes, "memory", 0, "soft limit of the heap, in MB: it is collected more often rather than let beyond that; "+
		"0 is 224, and 768 with the role projections; GOMEMLIMIT has the last word. The rows' block cache comes on top: 40 MB, and 160 MB with projections")
}

// nodeMemory is the limit of a node's heap, in MB, where none was asked for. What it keeps for long is far
// below: most of what is on the heap is what was just fetched, decoded and folded, and the collector by itself
// would let that grow to as much again.
func nodeMemory(roles []node.Role, asked int64) int64 {
	usual := int64(224)
	if len(roles) == 0 || slices.Contains(roles, node.Projections) {
		usual = 768
	}
	return cmp.Or(asked, usual)
}

// limitMemory lets the collector work harder before the heap takes more than so many MB. Who has set GOMEMLIMIT
// is heeded.
func limitMemory(megabytes int64) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(megabytes * megabyte)
	}
}
