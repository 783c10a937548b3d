// Program recompute works out from a file of transactions what the bank has to say of a customer who was imported
// from it: balances, spending, points and what the score measures, and prints it line by line. With -server it asks a bank that has imported
// the file as well, and prints where the two differ.
//
//	go run ./ops/checks/recompute -format sparkov -file transactions.csv.gz -server 127.0.0.1:9090 sparkov-412758818850
//
// It shares nothing with the bank but the table of what words mean: no fold, no rules, no importer. Two ways that
// come to the same by different roads are believed more readily than one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	if err := run(context.Background(), os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "recompute:", err)
		os.Exit(1)
	}
}

// errDiffers says that the bank has said something else.
var errDiffers = errors.New("the bank says something else")

func run(ctx context.Context, out io.Writer, args []string) error {
	flags := flag.NewFlagSet("recompute", flag.ContinueOnError)
	format := flags.String("format", "", "how the file is read: birmingham, sparkov or berka")
	file := flags.String("file", "", "the file, csv or csv.gz")
	server := flags.String("server", "", "the gRPC address of a bank that has imported the file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	f, err := os.Open(*file)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := read(f, *format)
	if err != nil {
		return fmt.Errorf("read %s: %w", *file, err)
	}
	for _, customer := range flags.Args() {
		want := answer(rows, customer)
		if *server == "" {
			printAll(out, "", want)
			continue
		}
		conn, err := grpc.NewClient(*server, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return err
		}
		got, err := ask(ctx, conn, customer, "")
		if err = errors.Join(err, conn.Close()); err != nil {
			return fmt.Errorf("ask for %s: %w", customer, err)
		}
		more, less := differ(got, want)
		printAll(out, "bank only: ", more)
		printAll(out, "file only: ", less)
		if len(more)+len(less) > 0 {
			return fmt.Errorf("customer %s: %w", customer, errDiffers)
		}
		fmt.Fprintf(out, "%s: the bank says the same in %d lines\n", customer, len(want))
	}
	return nil
}

func printAll(out io.Writer, before string, lines []string) {
	for _, l := range lines {
		fmt.Fprintln(out, before+l)
	}
}

// differ returns the lines that only one of two has.
func differ(got, want []string) (more, less []string) {
	for _, l := range got {
		if !slices.Contains(want, l) {
			more = append(more, l)
		}
	}
	for _, l := range want {
		if !slices.Contains(got, l) {
			less = append(less, l)
		}
	}
	return more, less
}
