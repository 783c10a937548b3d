package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/money"
)

// inbox is the group of commands about what a customer was told.
func (c *cli) inbox() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inbox",
		Short: "Show what a customer was told, and say what was read",
	}
	cmd.AddCommand(c.listInbox(), c.readInbox())
	return cmd
}

func (c *cli) listInbox() *cobra.Command {
	r := &bankv1.ListInboxRequest{}
	cmd := &cobra.Command{
		Use:   "list CUSTOMER",
		Short: "List what a customer was told, the newest first",
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			r.CustomerId = a[0]
			return c.withInbox(cmd.Context(), func(ctx context.Context, inbox bankv1.InboxServiceClient) error {
				resp, err := inbox.ListInbox(ctx, r)
				if err != nil {
					return err
				}
				if c.json {
					return c.printProto(resp)
				}
				return c.printInbox(resp)
			})
		},
	}
	cmd.Flags().BoolVar(&r.Unread, "unread", false, "only what is not read yet")
	cmd.Flags().Int32VarP(&r.PageSize, "number", "n", 100, "at most so many, up to 1000")
	return cmd
}

func (c *cli) readInbox() *cobra.Command {
	return &cobra.Command{
		Use:   "read CUSTOMER ID",
		Short: "Say that a customer has read a notification, ID as `refold inbox list` shows it",
		Args:  args(2),
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.withInbox(cmd.Context(), func(ctx context.Context, inbox bankv1.InboxServiceClient) error {
				resp, err := inbox.MarkRead(ctx, &bankv1.MarkReadRequest{CustomerId: a[0], NotificationId: a[1]})
				if err != nil {
					return err
				}
				if c.json {
					return c.printProto(resp)
				}
				_, err = fmt.Fprintf(c.stdout, "%s was read at %s\n", a[1], when(resp.GetNotification().GetReadAt().AsTime()))
				return err
			})
		},
	}
}

// withInbox runs fn with a client of the inbox.
func (c *cli) withInbox(ctx context.Context, fn func(context.Context, bankv1.InboxServiceClient) error) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return fn(ctx, bankv1.NewInboxServiceClient(conn))
}

func (c *cli) printInbox(r *bankv1.ListInboxResponse) error {
	t := c.table()
	fmt.Fprintln(t, "ID\tWHEN\tREAD\tWHAT")
	for _, n := range r.GetNotifications() {
		read := "-"
		if n.GetReadAt() != nil {
			read = when(n.GetReadAt().AsTime())
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", n.GetId(), when(n.GetOccurredAt().AsTime()), read, sayNotification(n))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	more := ""
	if r.GetNextPageToken() != "" {
		more = ", and there are more than are shown"
	}
	_, err := fmt.Fprintf(c.stdout, "%d unread%s\n", r.GetUnread(), more)
	return err
}

// sayNotification returns a notification in words.
func sayNotification(n *bankv1.Notification) string {
	amount := func(minor int64) string { return money.Format(minor, n.GetCurrency()) + " " + n.GetCurrency() }
	switch n.GetKind() {
	case bankv1.NotificationKind_NOTIFICATION_KIND_LARGE_PURCHASE:
		return fmt.Sprintf("a purchase of %s with %s", amount(-n.GetAmountMinor()), n.GetAccountId())
	case bankv1.NotificationKind_NOTIFICATION_KIND_LOW_BALANCE:
		return fmt.Sprintf("%s has %s left, less than %s", n.GetAccountId(), amount(n.GetBalanceMinor()), amount(n.GetThresholdMinor()))
	case bankv1.NotificationKind_NOTIFICATION_KIND_PAYMENT_RETURNED:
		return fmt.Sprintf("a payment of %s came back to %s", amount(n.GetAmountMinor()), n.GetAccountId())
	default:
		return fmt.Sprintf("%s moved on %s", amount(n.GetAmountMinor()), n.GetAccountId())
	}
}
