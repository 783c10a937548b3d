package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// service imports everything that our files import from other parties.
const service = `syntax = "proto3";
package shop.v1;
import "buf/validate/validate.proto";
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
option go_package = "github.com/refold/refold/schemas/api/shopv1;shopv1";
message Order {
  string id = 1 [(buf.validate.field).string.min_len = 1];
  google.protobuf.Timestamp placed_at = 2;
}
// Orders keeps orders.
service Orders {
  // Find finds.
  rpc Find(Order) returns (Order) { option (google.api.http) = {get: "/v1/orders/{id}"}; }
}
`

// folder writes files, by name, to a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCompileOrdersImportsFirst(t *testing.T) {
	set, err := compile(t.Context(), folder(t, map[string]string{"shop/v1/shop.proto": service}))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"shop/v1/shop.proto"}; !slices.Equal(set.own, want) {
		t.Errorf("own: got %v, want %v", set.own, want)
	}
	seen := map[string]bool{}
	for _, file := range set.files {
		for _, name := range file.GetDependency() {
			if !seen[name] {
				t.Errorf("%s comes before its import %s", file.GetName(), name)
			}
		}
		seen[file.GetName()] = true
	}
	if got, want := set.files[len(set.files)-1].GetName(), "shop/v1/shop.proto"; got != want {
		t.Errorf("last file: got %s, want %s", got, want)
	}
}

func TestCompileNamesTheMistake(t *testing.T) {
	tests := map[string]struct{ source, want string }{
		"unknown import": {`syntax = "proto3"; import "nowhere/to/be.proto";`, "nowhere/to/be.proto"},
		"unknown type":   {`syntax = "proto3"; message Order { Nothing id = 1; }`, "Nothing"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := compile(t.Context(), folder(t, map[string]string{"bad.proto": test.source}))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want one that names %s", err, test.want)
			}
		})
	}
	if _, err := compile(t.Context(), t.TempDir()); err == nil {
		t.Error("empty folder: got no error")
	}
}

func TestImageMarksImports(t *testing.T) {
	set, err := compile(t.Context(), folder(t, map[string]string{"shop/v1/shop.proto": service}))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "image.binpb")
	if err := writeImage(path, set); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	image := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(content, image); err != nil {
		t.Fatal(err)
	}
	for _, file := range image.GetFile() {
		marked := len(file.ProtoReflect().GetUnknown()) > 0
		if want := file.GetName() != "shop/v1/shop.proto"; marked != want {
			t.Errorf("%s marked as imported: got %t, want %t", file.GetName(), marked, want)
		}
	}
}

func TestReplaceRemovesOnlyWhatIsGenerated(t *testing.T) {
	root := folder(t, map[string]string{
		"api/api.go":               "hand-written",
		"api/gonev1/gone.pb.go":    "stale",
		"api/gonev1/gone.pb.gw.go": "stale",
		"api/openapi.json":         "stale",
	})
	err := replace(root, filepath.Join(root, "api"), map[string]string{"api/shopv1/shop.pb.go": "fresh"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"api/api.go": "hand-written", "api/shopv1/shop.pb.go": "fresh",
		"api/gonev1/gone.pb.go": "", "api/gonev1/gone.pb.gw.go": "", "api/openapi.json": "",
	} {
		content, err := os.ReadFile(filepath.Join(root, name))
		if got := string(content); got != want || os.IsNotExist(err) != (want == "") {
			t.Errorf("%s: got %q (%v), want %q", name, got, err, want)
		}
	}
}

func TestReplaceStaysInside(t *testing.T) {
	root := t.TempDir()
	if err := replace(root, filepath.Join(root, "api"), map[string]string{"../outside.go": ""}); err == nil {
		t.Error("got no error for a path outside the repository")
	}
}
