package main

import (
	"fmt"
	"os"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Field numbers of buf.alpha.image.v1, the image format of buf: a FileDescriptorSet whose files
// carry one more field, which says among other things that a file was imported.
const (
	imageFileExtension = 8042
	imageIsImport      = 1
)

// writeImage writes the set as an image that buf reads. Imported files are marked, so that buf
// judges ours alone.
func writeImage(path string, set fileSet) error {
	image := &descriptorpb.FileDescriptorSet{}
	for _, file := range set.files {
		if !slices.Contains(set.own, file.GetName()) {
			file = markImported(file)
		}
		image.File = append(image.File, file)
	}
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(image)
	if err != nil {
		return fmt.Errorf("encode image %s: %w", path, err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return fmt.Errorf("write image %s: %w", path, err)
	}
	return nil
}

// markImported returns a copy of file that carries buf's mark of an import.
func markImported(file *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	var mark []byte
	mark = protowire.AppendTag(mark, imageIsImport, protowire.VarintType)
	mark = protowire.AppendVarint(mark, protowire.EncodeBool(true))
	var field []byte
	field = protowire.AppendTag(field, imageFileExtension, protowire.BytesType)
	field = protowire.AppendBytes(field, mark)
	marked := proto.CloneOf(file)
	message := marked.ProtoReflect()
	message.SetUnknown(append(message.GetUnknown(), field...))
	return marked
}
