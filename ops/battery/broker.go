package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/refold/refold/streams/broker"
)

// roomFile, in a broker's folder, says how many bytes are free there; without it the file system is asked.
const roomFile = "room"

// serveBroker is the embedded broker as a process of its own: what `battery broker` does.
func serveBroker(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("broker", flag.ContinueOnError)
	dir := flags.String("dir", "", "its folder")
	listen := flags.String("listen", "", "where it listens")
	minFree := flags.Uint64("min-free", 0, "the bytes that must stay free; 0 is what the product has")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b, err := broker.Open(ctx, broker.Config{
		Dir: filepath.Join(*dir, "kafka"), Listen: *listen, MinFree: *minFree, FreeBytes: room(*dir),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	fmt.Println("Kafka", b.Addr())
	return errors.Join(b.Wait(ctx), b.Close())
}

// room returns how to ask for the free space, nil where there is no file that says it.
func room(dir string) func(string) (uint64, error) {
	path := filepath.Join(dir, roomFile)
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	return func(string) (uint64, error) {
		text, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	}
}
