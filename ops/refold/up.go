package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/refold/refold/ops/demo"
	"github.com/refold/refold/ops/importer"
	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/schemas/api/bankv1"
)

// listenFlags are the flags that say where to listen.
func listenFlags(cmd *cobra.Command, a *node.Addresses) {
	cmd.Flags().StringVar(&a.HTTP, "http", "127.0.0.1:8080", "where REST listens; port 0 takes a free one")
	cmd.Flags().StringVar(&a.GRPC, "grpc", "127.0.0.1:9090", "where gRPC listens")
	cmd.Flags().StringVar(&a.Registry, "registry", "127.0.0.1:8081", "where the schema registry listens")
}

func (c *cli) up() *cobra.Command {
	cfg := node.Config{}
	var withDemo bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process, on an embedded broker",
		Args:  args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.runNode(cmd.Context(), cfg, func(ctx context.Context, n *node.Node) error {
				fmt.Fprintln(c.stdout, "The embedded broker is one node without replicas: what this disk loses is lost.")
				if !withDemo {
					return nil
				}
				return c.runDemo(ctx, n)
			})
		},
	}
	listenFlags(cmd, &cfg.Listen)
	cmd.Flags().StringVar(&cfg.Listen.Kafka, "kafka", "127.0.0.1:9092", "where the embedded broker listens")
	cmd.Flags().Int32Var(&cfg.Partitions, "partitions", 12, "partitions of the bank's topics; fixed when the data folder is made")
	cmd.Flags().BoolVar(&withDemo, "demo", false, "import an excerpt of real card data first")
	return cmd
}

func (c *cli) serve() *cobra.Command {
	cfg := node.Config{}
	var roles []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run some roles as a process of its own, on a broker that runs elsewhere",
		Args:  args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if cfg.Roles, err = parseRoles(roles); err != nil {
				return err
			}
			if cfg.Kafka == "" {
				return fmt.Errorf("%w: --kafka says where the broker is", errUsage)
			}
			return c.runNode(cmd.Context(), cfg, nil)
		},
	}
	listenFlags(cmd, &cfg.Listen)
	cmd.Flags().StringSliceVar(&roles, "role", []string{"all"}, "registry, transactions, projections or all")
	cmd.Flags().StringVar(&cfg.Kafka, "kafka", "", "address of a broker, HOST:PORT")
	cmd.Flags().StringVar(&cfg.RegistryURL, "registry-url", "", "where the schema registry is, for roles without one, such as http://127.0.0.1:8081")
	cmd.Flags().Int32Var(&cfg.Partitions, "partitions", 12, "partitions of the bank's topics")
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

// runNode runs a node until it is told to stop, after what is to be done first.
func (c *cli) runNode(ctx context.Context, cfg node.Config, first func(context.Context, *node.Node) error) (err error) {
	cfg.Data = c.data
	if cfg.Logger, err = c.logger(); err != nil {
		return err
	}
	n, err := node.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	c.announce(n.Addresses())
	if first != nil {
		if err := first(ctx, n); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return n.Wait(ctx)
}

func (c *cli) announce(a node.Addresses) {
	t := c.table()
	for _, l := range []struct{ what, where string }{
		{"REST", "http://" + a.HTTP}, {"gRPC", a.GRPC}, {"Kafka", a.Kafka}, {"Schema registry", "http://" + a.Registry},
	} {
		if strings.TrimPrefix(l.where, "http://") != "" {
			fmt.Fprintf(t, "%s\t%s\n", l.what, l.where)
		}
	}
	fmt.Fprintf(t, "Data\t%s\n", c.data)
	_ = t.Flush() // stdout that is gone is no failure of the server
}

// runDemo imports the excerpt and says what to try.
func (c *cli) runDemo(ctx context.Context, n *node.Node) error {
	format, err := importer.Lookup(demo.Format)
	if err != nil {
		return err
	}
	conn, err := (&cli{server: n.Addresses().GRPC}).dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprintln(c.stdout, "\nImporting card transactions of Birmingham City Council (Open Government Licence v3.0) ...")
	err = c.runImport(ctx, importer.Config{
		Client: bankv1.NewTransactionsServiceClient(conn), Format: format,
		File: demo.Name, Source: bytes.NewReader(demo.Birmingham), Size: int64(len(demo.Birmingham)),
	})
	if err != nil {
		return err
	}
	at, err := n.Position(ctx)
	if err != nil {
		return err
	}
	// What is printed below must answer with everything that was imported.
	_, err = bankv1.NewReportsServiceClient(conn).GetSpending(ctx, &bankv1.GetSpendingRequest{CustomerId: demo.Customer, MinPosition: at})
	if err != nil {
		return err
	}
	a := n.Addresses()
	fmt.Fprintf(c.stdout, `
Try, in another terminal:
  curl 'http://%[1]s/v1/customers/%[3]s/spending?from=2014-01&to=2016-12'
  grpcurl -plaintext -d '{"account_id": "%[3]s.card"}' %[2]s bank.v1.ReportsService/GetAccount
  refold%[4]s replay spending --from beginning
`, a.HTTP, a.GRPC, demo.Customer, c.dataFlag())
	return nil
}

// dataFlag is what other commands need to find this data folder.
func (c *cli) dataFlag() string {
	if c.data == "refold-data" {
		return ""
	}
	return " --data " + c.data
}
