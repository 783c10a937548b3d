package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/refold/refold/ops/demo"
	"github.com/refold/refold/ops/importer"
	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/schemas/api/bankv1"
)

// tryDemo runs the demo. Where it cannot be done, that is said, and what is running runs on.
func (c *cli) tryDemo(ctx context.Context, n *node.Node) {
	if err := c.runDemo(ctx, n); err != nil && ctx.Err() == nil {
		fmt.Fprintf(c.stderr, "refold: the demo could not be completed: %s; refold goes on without it\n", sentence(err))
	}
}

// runDemo imports the excerpt, makes a purchase that is news, and says what to try.
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
	bank := bankv1.NewTransactionsServiceClient(conn)
	err = c.runImport(ctx, importer.Config{
		Client: bank, Format: format,
		File: demo.Name, Source: bytes.NewReader(demo.Birmingham), Size: int64(len(demo.Birmingham)),
	})
	if err != nil {
		return err
	}
	if _, err := bank.PostEntry(ctx, demo.Purchase()); err != nil {
		return err
	}
	at, err := n.Position(ctx)
	if err != nil {
		return err
	}
	// What is printed below must answer with everything that was imported.
	p, err := portray(ctx, conn, demo.Customer, at)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "\nWhat the bank knows of %s now:\n", demo.Customer)
	p.print(c.stdout)
	a := n.Addresses()
	fmt.Fprintf(c.stdout, `
Try, in another terminal:
  curl 'http://%[1]s/v1/customers/%[3]s/spending?from=2014-01&to=2016-12'
  grpcurl -plaintext -d '{"account_id": "%[3]s.card"}' %[2]s bank.v1.ReportsService/GetAccount
  refold%[4]s replay spending --from beginning
`, a.HTTP, a.GRPC, demo.Customer, c.dataFlag())
	return nil
}

// caughtUp asks until the projection that answers has come as far as the question wants. The server waits
// itself for a while before it says that it is behind, which on a slow machine is often.
func caughtUp(ctx context.Context, ask func(context.Context) error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if status.Code(err) != codes.DeadlineExceeded {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// dataFlag is what other commands need to find this data folder.
func (c *cli) dataFlag() string {
	if c.data == "refold-data" {
		return ""
	}
	return " --data " + c.data
}
