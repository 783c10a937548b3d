// Protogen writes what the project derives from its .proto files: the Go messages, the gRPC and
// REST bindings and the OpenAPI description under schemas/api.
//
// It needs no network. The files of other parties that ours import (google/api, buf/validate,
// google/protobuf) are not looked up as files: they are taken from the descriptors that the Go
// modules pinned in ops/tools/go.mod carry. The output depends on the sources and on those pins
// alone, so that running it again changes nothing.
//
// It is run in ops/tools, where the plugins are known to the go command:
//
//	go -C ops/tools run ./protogen          writes schemas/api
//	go -C ops/tools run ./protogen -image F writes only the compiled image, for buf lint
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

// modulePath is the module that generated packages belong to; the plugins cut it from go_package.
const modulePath = "github.com/refold/refold"

func main() {
	root := flag.String("root", "../..", "the `folder` of the repository")
	image := flag.String("image", "", "write the compiled image to this `file` and generate nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *root, *image); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

// run compiles the sources and writes the image, where one is asked for, or the generated files.
func run(ctx context.Context, root, image string) error {
	set, err := compile(ctx, filepath.Join(root, "schemas", "proto"))
	if err != nil {
		return err
	}
	if image != "" {
		return writeImage(image, set)
	}
	outputs, err := generate(ctx, set)
	if err != nil {
		return err
	}
	return replace(root, filepath.Join(root, "schemas", "api"), outputs)
}
