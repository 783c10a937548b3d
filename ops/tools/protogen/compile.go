package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	_ "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate" // buf/validate/validate.proto
	_ "google.golang.org/genproto/googleapis/api/annotations"                   // google/api/annotations.proto
	_ "google.golang.org/genproto/googleapis/api/httpbody"                      // google/api/httpbody.proto
)

// fileSet is a compiled set of .proto files.
type fileSet struct {
	// files holds every file, imports before those that import them.
	files []*descriptorpb.FileDescriptorProto
	// own names the files that are ours, sorted; the others were imported.
	own []string
}

// compile parses and links every .proto file below dir.
func compile(ctx context.Context, dir string) (fileSet, error) {
	own, err := sources(dir)
	if err != nil {
		return fileSet{}, err
	}
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(protocompile.CompositeResolver{
			&protocompile.SourceResolver{ImportPaths: []string{dir}},
			protocompile.ResolverFunc(linked),
		}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(ctx, own...)
	if err != nil {
		return fileSet{}, fmt.Errorf("compile %s: %w", dir, err)
	}
	set := fileSet{own: own}
	seen := map[string]bool{}
	for _, file := range files {
		set.add(file, seen)
	}
	return set, nil
}

// add appends a file after what it imports, each once.
func (s *fileSet) add(file protoreflect.FileDescriptor, seen map[string]bool) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	imports := file.Imports()
	for i := range imports.Len() {
		s.add(imports.Get(i).FileDescriptor, seen)
	}
	found := protoutil.ProtoFromFileDescriptor(file)
	if found.SourceCodeInfo == nil { // of an import; generators ask for its comments all the same
		found.SourceCodeInfo = &descriptorpb.SourceCodeInfo{}
	}
	s.files = append(s.files, found)
}

// linked finds an imported file among the descriptors that are part of this program.
func linked(path string) (protocompile.SearchResult, error) {
	file, err := protoregistry.GlobalFiles.FindFileByPath(path)
	if err != nil {
		return protocompile.SearchResult{}, fmt.Errorf("import %s: %w", path, err)
	}
	return protocompile.SearchResult{Desc: file}, nil
}

// sources lists the .proto files below dir, sorted, with slashes, relative to dir.
func sources(dir string) ([]string, error) {
	var names []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".proto" {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("list %s: no .proto files", dir)
	}
	slices.Sort(names)
	return names, nil
}
