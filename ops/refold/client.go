package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/ops/node"
)

// dial connects to the running refold. The caller closes the connection.
func (c *cli) dial() (*grpc.ClientConn, error) {
	address := c.server
	if address == "" {
		a, err := node.ReadAddresses(c.data)
		if err != nil {
			return nil, fmt.Errorf("%w (start one with `refold up`, or say where it is with --server)", err)
		}
		address = a.GRPC
	}
	conn, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		// A server that starts again is found at once, and not after the library's growing pauses.
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.5, MaxDelay: time.Second}, MinConnectTimeout: 2 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return conn, nil
}

// printProto prints a message as one JSON document.
func (c *cli) printProto(m proto.Message) error {
	b, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}.Marshal(m)
	if err != nil {
		return fmt.Errorf("print %T: %w", m, err)
	}
	// protojson varies its white space on purpose; scripts get it the same every time.
	return c.printJSON(json.RawMessage(b))
}

func (c *cli) printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("print %T: %w", v, err)
	}
	_, err = fmt.Fprintf(c.stdout, "%s\n", b)
	return err
}

func (c *cli) table() *tabwriter.Writer {
	return tabwriter.NewWriter(c.stdout, 0, 4, 2, ' ', 0)
}

// when prints a time as everything here does: UTC, RFC 3339.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
