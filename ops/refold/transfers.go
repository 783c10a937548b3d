package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/refold/refold/schemas/api/bankv1"
)

func (c *cli) transfers() *cobra.Command {
	var older time.Duration
	cmd := &cobra.Command{
		Use:   "transfers",
		Short: "Show transfers between partitions that have not ended; any that is old is not well",
		Args:  args(0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.runTransfers(cmd.Context(), older) },
	}
	cmd.Flags().DurationVar(&older, "older-than", time.Minute, "show those that were sent at least so long ago")
	return cmd
}

func (c *cli) runTransfers(ctx context.Context, older time.Duration) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	resp, err := bankv1.NewTransactionsServiceClient(conn).ListPendingTransfers(ctx,
		&bankv1.ListPendingTransfersRequest{OlderThan: durationpb.New(older)})
	if err != nil {
		return err
	}
	if c.json {
		err = c.printProto(resp)
	} else {
		err = c.printTransfers(resp.GetTransfers())
	}
	if n := len(resp.GetTransfers()); err == nil && older > 0 && n > 0 {
		err = fmt.Errorf("%w: transfers are on their way for more than %s", errNotAllWell, older)
	}
	return err
}

func (c *cli) printTransfers(transfers []*bankv1.TransferStatus) error {
	if len(transfers) == 0 {
		fmt.Fprintln(c.stdout, "none")
		return nil
	}
	t := c.table()
	fmt.Fprintln(t, "TRANSFER\tFROM\tTO\tMINOR\tCURRENCY\tAGE")
	for _, x := range transfers {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", x.GetTransferId(), x.GetFromAccountId(), x.GetToAccountId(),
			x.GetAmountMinor(), x.GetCurrency(), age(time.Since(x.GetSentAt().AsTime()).Seconds()))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
