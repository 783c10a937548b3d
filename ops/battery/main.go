// Command battery disturbs the bank as the world does, and holds what it promised against what it kept.
//
//	go run ./ops/battery [-seed N] [-for 6m] [-short] [-real|-cluster]
//
// Real processes on loopback: a broker, a schema registry and three owners of the journal under load. They
// are killed, stopped, cut off and started again, at every step of a commit and not by luck: a proxy before
// each owner reads its requests and does it at the very one. What clients asked and were told is kept as a
// history, which is held against the log when the load has ended; see package history.
//
// With -cluster it is three nodes of Kafka and three of Cassandra, two owners and three workers that fold the read
// models into shared rows. Those rows and what customers are told are held against a fold of the log, too.
//
// Scenes beside it, each with a bank of its own, do what a bank does not serve on after: a foreign record, a
// transaction that hangs, a topic made again, a full disk, a clock that jumps.
//
// The exit code is 1 where anything was found, or could not be done; then the folder of the run is kept.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/refold/refold/services/transactions/history"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := 0
	name := append(os.Args, "")[1]
	if part := parts()[name]; part == nil {
		code = runBattery(ctx)
	} else if err := part(ctx, os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, err)
		code = 1
	}
	stop()
	os.Exit(code)
}

// parts are what this program is beside the battery itself: processes of the banks that it disturbs.
func parts() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{"broker": serveBroker, "owner": serveOwner}
}

func runBattery(ctx context.Context) int {
	b := &battery{faults: make(map[place]int), calls: make(map[history.Kind]int64)}
	flag.Uint64Var(&b.seed, "seed", 0, "what decides about load and faults; 0 takes one at random")
	flag.DurationVar(&b.long, "for", 6*time.Minute, "for how long the bank is disturbed")
	flag.DurationVar(&b.down, "down", 15*time.Second, "for how long the broker is wholly down, once a round")
	flag.BoolVar(&b.short, "short", false, "only what is done in a second or two, and no scenes")
	flag.BoolVar(&b.real, "real", false, "disturb Apache Kafka in place of the embedded broker; it takes Java 17 and Maven")
	flag.BoolVar(&b.many, "cluster", false, "disturb three nodes of Apache Kafka and three of Cassandra, two owners and three workers that fold read models")
	flag.StringVar(&b.only, "only", "", "a part of the names of the faults and scenes that are wanted")
	flag.Parse()
	if b.seed == 0 {
		b.seed = rand.Uint64()
	}
	began := time.Now()
	fmt.Printf("seed %d\n\n", b.seed)
	if err := b.run(ctx); err != nil {
		b.problem(err)
	}
	b.print(os.Stdout)
	fmt.Printf("seed %d, took %s\n", b.seed, time.Since(began).Round(time.Second))
	if len(b.findings) > 0 || len(b.problems) > 0 || ctx.Err() != nil {
		fmt.Println("histories and logs are kept in", b.dir)
		return 1
	}
	if err := os.RemoveAll(b.dir); err != nil {
		fmt.Fprintln(os.Stderr, "battery:", err)
	}
	return 0
}
