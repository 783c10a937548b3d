package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/pluginpb"
)

// plugin is a code generator that speaks protoc's protocol on its standard input and output.
type plugin struct {
	// name is a tool of ops/tools/go.mod.
	name string
	// parameter is what protoc would pass as --NAME_opt.
	parameter string
	// rename moves an output of the plugin to the place where it is kept.
	rename map[string]string
}

// plugins lists the generators in the order in which they run. The OpenAPI description uses the
// field names of the .proto files, which are also those of the paths.
func plugins() []plugin {
	return []plugin{
		{name: "protoc-gen-go", parameter: "module=" + modulePath},
		{name: "protoc-gen-go-grpc", parameter: "module=" + modulePath},
		{name: "protoc-gen-grpc-gateway", parameter: "module=" + modulePath},
		{
			name:      "protoc-gen-openapiv2",
			parameter: "allow_merge=true,merge_file_name=openapi,json_names_for_fields=false,openapi_configuration=protogen/openapi.yaml",
			rename:    map[string]string{"openapi.swagger.json": "schemas/api/openapi.json"},
		},
	}
}

// generate runs every plugin and returns what they wrote, by path in the repository.
func generate(ctx context.Context, set fileSet) (map[string]string, error) {
	outputs := map[string]string{}
	for _, p := range plugins() {
		response, err := p.run(ctx, set)
		if err != nil {
			return nil, fmt.Errorf("run %s: %w", p.name, err)
		}
		for _, file := range response.GetFile() {
			name := path.Clean(file.GetName())
			if kept, ok := p.rename[name]; ok {
				name = kept
			}
			if _, twice := outputs[name]; twice {
				return nil, fmt.Errorf("run %s: %s was written before", p.name, name)
			}
			outputs[name] = file.GetContent()
		}
	}
	return outputs, nil
}

// run gives the set to the plugin and returns its answer.
func (p plugin) run(ctx context.Context, set fileSet) (*pluginpb.CodeGeneratorResponse, error) {
	request, err := proto.MarshalOptions{Deterministic: true}.Marshal(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: set.own,
		Parameter:      proto.String(p.parameter),
		ProtoFile:      set.files,
	})
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	command := exec.CommandContext(ctx, "go", "tool", p.name)
	command.Stdin = bytes.NewReader(request)
	command.Stderr = os.Stderr
	answer, err := command.Output()
	if err != nil {
		return nil, err
	}
	response := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(answer, response); err != nil {
		return nil, fmt.Errorf("decode answer: %w", err)
	}
	if response.Error != nil {
		return nil, errors.New(response.GetError())
	}
	return response, nil
}
