// Command refold runs Refold and talks to it. `refold help` lists what it can do.
//
// Exit codes: 0 all is well; 1 it could not be done; 2 it was asked wrongly, or of what there is not; 3 it was
// done and not all is well: rows were rejected, records do not verify, generations differ.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Exit codes that scripts can trust.
const (
	exitFailed     = 1
	exitUsage      = 2
	exitNotAllWell = 3
)

// errNotAllWell is wrapped where a command did its work and what it found is not well.
var errNotAllWell = errors.New("not all is well")

// errUsage is wrapped where a command was asked wrongly. A server says so by the code of its status.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs one command and returns its exit code. It is main without the process, for tests.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := &cli{stdin: stdin, stdout: stdout, stderr: stderr}
	root := c.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "refold: %s\n", sentence(err))
	switch {
	case errors.Is(err, errNotAllWell):
		return exitNotAllWell
	case errors.Is(err, errUsage), status.Code(err) == codes.InvalidArgument, status.Code(err) == codes.NotFound:
		return exitUsage
	}
	return exitFailed
}

// sentence returns what to tell a person: of an answer of the server, what it says.
func sentence(err error) string {
	if s, ok := status.FromError(err); ok {
		if s.Code() == codes.Unavailable && len(s.Details()) == 0 {
			return "no refold answers there: " + s.Message()
		}
		return s.Message()
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// count returns a number of things, of which there may be one.
func count(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// cli is what every command shares.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	data   string
	server string
	json   bool
	level  string
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "refold",
		Short:         "An event-streaming platform whose projections can be rewound safely",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, words []string) error {
			if len(words) > 0 {
				return fmt.Errorf("%w: there is no command %q", errUsage, words[0])
			}
			return cmd.Help()
		},
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", maxColumns)))
	root.SetFlagErrorFunc(flagProblem)
	root.PersistentPreRunE = c.checkFlags
	flags := root.PersistentFlags()
	flags.StringVar(&c.data, "data", "refold-data", "data folder")
	flags.StringVar(&c.server, "server", "", "gRPC address of a running refold, HOST:PORT; without it the data folder says where one listens")
	flags.BoolVar(&c.json, "json", false, "print JSON")
	flags.StringVar(&c.level, "log-level", "warn", "debug, info, warn or error; logs go to stderr")
	root.AddCommand(c.up(), c.serve(), c.settings(), c.migrate(), c.reset(), c.importFile(), c.status(), c.tail(),
		c.replay(), c.promote(), c.rollback(), c.cancel(), c.certificate(), c.snapshot(), c.drill(), c.verify(),
		c.transfers(), c.score(), c.why(), c.effects(), c.parked(), c.inbox(), c.preferences(), c.export(), c.create())
	return root
}

// maxColumns is how wide help is at most.
const maxColumns = 100

// args checks the number of arguments of a command.
func args(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, got []string) error {
		if len(got) > n && cmd.HasSubCommands() {
			return fmt.Errorf("%w: there is no command %q: see refold help %s", errUsage, cmd.Name()+" "+got[0], cmd.Name())
		}
		if len(got) != n {
			return fmt.Errorf("%w: %s", errUsage, cmd.UseLine())
		}
		return nil
	}
}

func (c *cli) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.level)); err != nil {
		return nil, fmt.Errorf("%w: --log-level: %q is none of debug, info, warn, error", errUsage, c.level)
	}
	return slog.New(slog.NewTextHandler(c.stderr, &slog.HandlerOptions{Level: level})), nil
}
