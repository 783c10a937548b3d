// Command engines runs Kafka and Cassandra, one node of each or more (-nodes), as ordinary programs on this machine:
// their jars come by Maven, and Java 17 runs them. Nothing else is needed.
//
//	go run ./ops/engines up       starts them and leaves them running
//	go run ./ops/engines status   says where they answer
//	go run ./ops/engines down     stops them
//	go run ./ops/engines run -- COMMAND
//	go run ./ops/engines -only NAME -node N be
//
// The fourth starts new ones on free ports, runs a command that finds their addresses in REFOLD_KAFKA and
// REFOLD_CASSANDRA, and removes them and all they kept. The last becomes one node, in its own process. Where Java 17 or Maven is missing, or fetches
// nothing, it says so, loudly, and the command is skipped.
//
// An engine is stopped by the id of its process, and only where that still is the process that was started here.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := runArgs(ctx, os.Args[1:], os.Stdout)
	stop()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(max(exit.ExitCode(), 1)) // the command has said why
	case err != nil:
		fmt.Fprintln(os.Stderr, "engines:", err)
		os.Exit(1)
	}
}

// settings are what the flags say.
type settings struct {
	data      string
	dir       string
	kafka     string
	cassandra string
	only      string
	nodes     int    // of each engine
	node      int    // that be becomes
	id        string // of the cluster of Kafka
	out       io.Writer
}

// errUsage is wrapped where the program was asked wrongly.
var errUsage = errors.New("usage: engines [-data DIR] [-dir DIR] [-kafka HOST:PORT] [-cassandra HOST:PORT] [-only NAME] [-nodes N] [-node N] up|down|status|be|run -- COMMAND")

func runArgs(ctx context.Context, args []string, out io.Writer) error {
	s := settings{out: out}
	rest, err := s.parse(args)
	if err != nil {
		return err
	}
	switch {
	case len(rest) == 1 && rest[0] == "be" && s.only != "":
		return s.be(ctx)
	case len(rest) == 1 && rest[0] == "up":
		return s.up(ctx)
	case len(rest) == 1 && rest[0] == "down":
		return s.down()
	case len(rest) == 1 && rest[0] == "status":
		return s.status()
	case len(rest) > 2 && rest[0] == "run" && rest[1] == "--":
		return s.run(ctx, rest[2:])
	}
	return errUsage
}

// parse reads the flags and returns what is behind them.
func (s *settings) parse(args []string) (rest []string, err error) {
	flags := flag.NewFlagSet("engines", flag.ContinueOnError)
	flags.StringVar(&s.data, "data", "bin/engines", "the folder of what is fetched, and of what engines keep")
	flags.StringVar(&s.dir, "dir", "", "the folder of what engines keep, if it is another one")
	flags.StringVar(&s.kafka, "kafka", "127.0.0.1:29092", "where Kafka listens; its controller takes the next port")
	flags.StringVar(&s.cassandra, "cassandra", "127.0.0.1:29042", "where Cassandra listens; its storage port is the next one")
	flags.StringVar(&s.only, "only", "", "kafka or cassandra: the other one is left out")
	flags.IntVar(&s.nodes, "nodes", 1, "how many nodes of each engine there are; of Kafka they take the next ports, of Cassandra the next addresses")
	flags.IntVar(&s.node, "node", 1, "which of them be becomes")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if s.data, err = filepath.Abs(s.data); err != nil {
		return nil, err
	}
	if s.dir, err = filepath.Abs(cmp.Or(s.dir, s.data)); err != nil {
		return nil, err
	}
	if s.only != "" && s.only != kafka && s.only != cassandra {
		return nil, fmt.Errorf("-only %s: %w", s.only, errUsage)
	}
	if s.nodes < 1 || s.node < 1 || s.node > s.nodes {
		return nil, fmt.Errorf("node %d of %d: %w", s.node, s.nodes, errUsage)
	}
	return flags.Args(), nil
}

// tools are the Java to run engines with, and the engines, in the folder that is kept.
func (s settings) tools(ctx context.Context) (java, []*engine, error) {
	j, err := findJava(ctx)
	if err != nil {
		return java{}, nil, err
	}
	engines, err := s.engines(s.dir)
	return j, engines, err
}

// up starts the engines that do not run, and leaves them running.
func (s settings) up(ctx context.Context) error {
	j, engines, err := s.tools(ctx)
	if err != nil {
		return err
	}
	return errors.Join(startAll(ctx, j, s.data, engines), s.status())
}

// be becomes one node of the engine that is wanted.
func (s settings) be(ctx context.Context) error {
	j, engines, err := s.tools(ctx)
	if err != nil {
		return err
	}
	return engines[s.node-1].become(ctx, j, s.data)
}

// down stops the engines that run.
func (s settings) down() error {
	engines, err := s.engines(s.dir)
	if err != nil {
		return err
	}
	return stopAll(engines)
}

// status says where the engines answer.
func (s settings) status() error {
	engines, err := s.engines(s.dir)
	if err != nil {
		return err
	}
	for _, e := range engines {
		fmt.Fprintln(s.out, e.status())
	}
	return nil
}

// skip says loudly that the command is not run.
func (s settings) skip(why error) {
	fmt.Fprintf(s.out, "\n*** skipped: %v: nothing was tested on real engines ***\n\n", why)
}

// run runs a command beside engines that are its own.
func (s settings) run(ctx context.Context, command []string) (err error) {
	java, err := findJava(ctx)
	if errors.Is(err, errNoJava) {
		s.skip(err)
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.data, 0o755); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.data, "run-")
	if err != nil {
		return err
	}
	own := settings{only: s.only, nodes: s.nodes, id: testingID}
	if own.kafka, err = freePorts(2*s.nodes - 1); err != nil {
		return err
	}
	if own.cassandra, err = freePorts(2*s.nodes - 1); err != nil {
		return err
	}
	engines, err := own.engines(dir)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, stopAll(engines))
		if err == nil {
			err = os.RemoveAll(dir)
		} else {
			fmt.Fprintln(s.out, "logs of the engines are kept in", dir)
		}
	}()
	err = startAll(ctx, java, s.data, engines)
	if errors.Is(err, errNoJars) {
		s.skip(err)
		return nil
	}
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Stdout, cmd.Stderr, cmd.Env = s.out, os.Stderr, os.Environ()
	for _, e := range engines {
		cmd.Env = append(cmd.Env, e.variable()+"="+e.addresses())
	}
	return cmd.Run()
}
