package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/projections/store/cassandra"
	"github.com/refold/refold/streams/topic"
)

// listenFlags are the flags that say where to listen.
func listenFlags(cmd *cobra.Command, a *node.Addresses) {
	cmd.Flags().StringVar(&a.HTTP, "http", "127.0.0.1:8080", "where REST listens; port 0 takes a free one")
	cmd.Flags().StringVar(&a.GRPC, "grpc", "127.0.0.1:9090", "where gRPC listens")
	cmd.Flags().StringVar(&a.Registry, "registry", "127.0.0.1:8081", "where the schema registry listens")
	cmd.Flags().StringVar(&a.Operators, "operators", "127.0.0.1:6060", "where metrics and profiles are, for operators only; nowhere if it is empty")
}

func rolesFlag(cmd *cobra.Command, roles *[]string) {
	cmd.Flags().StringSliceVar(roles, "role", []string{"all"}, "registry, transactions, projections or all")
}

func retainFlag(cmd *cobra.Command, retain *time.Duration) {
	cmd.Flags().DurationVar(retain, "retain", 24*time.Hour, "how long the generation before a promoted one follows on, so that one can go back")
}

func rowsFlag(cmd *cobra.Command, rows *string) {
	cmd.Flags().StringVar(rows, "rows", "", "where the rows of read models are kept, such as cassandra://HOST:PORT/KEYSPACE; in the data folder, if it is not said")
}

// parseRows returns where rows are to be kept, nil in the data folder.
func parseRows(rows string) (*cassandra.Config, error) {
	if rows == "" {
		return nil, nil
	}
	cfg, err := cassandra.Parse(rows)
	if err != nil {
		return nil, fmt.Errorf("%w: --rows: %w", errUsage, err)
	}
	return &cfg, nil
}

func partitionsFlag(cmd *cobra.Command, partitions *int32) {
	cmd.Flags().Int32Var(partitions, "partitions", 0, fmt.Sprintf(
		"partitions of the bank's topics, fixed when the data folder is made; 0 is what the folder has, in a new one %d", topic.DefaultPartitions))
}

func (c *cli) up() *cobra.Command {
	cfg := node.Config{}
	var roles []string
	var memory int64
	var rows string
	var withDemo bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process, on an embedded broker",
		Args:  args(0),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if cfg.Roles, err = parseRoles(roles); err != nil {
				return err
			}
			if cfg.Rows, err = parseRows(rows); err != nil {
				return err
			}
			limitMemory(nodeMemory(cfg.Roles, memory))
			return c.runNode(cmd.Context(), cfg, func(ctx context.Context, n *node.Node) {
				fmt.Fprintln(c.stdout, "The embedded broker is one node without replicas: what this disk loses is lost.")
				if withDemo {
					c.tryDemo(ctx, n)
				}
			})
		},
	}
	listenFlags(cmd, &cfg.Listen)
	cmd.Flags().StringVar(&cfg.Listen.Kafka, "kafka", "127.0.0.1:9092", "where the embedded broker listens")
	rolesFlag(cmd, &roles)
	memoryFlag(cmd, &memory)
	partitionsFlag(cmd, &cfg.Partitions)
	retainFlag(cmd, &cfg.Retain)
	rowsFlag(cmd, &rows)
	cmd.Flags().BoolVar(&withDemo, "demo", false, "import an excerpt of real card data first")
	return cmd
}

func parseRoles(words []string) ([]node.Role, error) {
	var roles []node.Role
	for _, w := range words {
		r := node.Role(w)
		switch r {
		case "all":
			return nil, nil
		case node.Registry, node.Transactions, node.Projections:
			roles = append(roles, r)
		default:
			return nil, fmt.Errorf("%w: --role: %q is none of registry, transactions, projections, all", errUsage, w)
		}
	}
	return roles, nil
}

// runNode runs a node until it is told to stop or cannot go on, and does something with it meanwhile. The
// context of that ends with the node.
func (c *cli) runNode(ctx context.Context, cfg node.Config, do func(context.Context, *node.Node)) (err error) {
	cfg.Data = c.data
	if cfg.Logger, err = c.logger(); err != nil {
		return err
	}
	n, err := node.Open(ctx, cfg)
	if errors.Is(err, topic.ErrPartitions) && cfg.Partitions == 0 {
		return fmt.Errorf("%w\nsay how many there are with --partitions N", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	c.announce(n.Addresses())
	working, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(working, n)
	}()
	err = n.Wait(ctx)
	stop()
	<-done
	return err
}

func (c *cli) announce(a node.Addresses) {
	t := c.table()
	for _, l := range []struct{ what, where string }{
		{"REST", "http://" + a.HTTP}, {"gRPC", a.GRPC}, {"Kafka", a.Kafka}, {"Schema registry", "http://" + a.Registry},
		{"Operators", "http://" + a.Operators},
	} {
		if strings.TrimPrefix(l.where, "http://") != "" {
			fmt.Fprintf(t, "%s\t%s\n", l.what, l.where)
		}
	}
	fmt.Fprintf(t, "Data\t%s\n", c.data)
	_ = t.Flush() // stdout that is gone is no failure of the server
}
