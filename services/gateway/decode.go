package gateway

import (
	"strings"

	"google.golang.org/grpc/encoding"
	encodingproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// undecodable is the number of the unknown field in which codec says why there is no message.
const undecodable = protowire.MaxValidNumber

// codec is that of protobuf, but that bytes which are no message become an empty one with a field that says
// so. By itself gRPC answers an internal error, and ends the call, before anybody sees it.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(encodingproto.Name)} }

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, into any) error {
	err := c.CodecV2.Unmarshal(data, into)
	m, ok := into.(proto.Message)
	if err == nil || !ok {
		return err
	}
	proto.Reset(m)
	field := protowire.AppendTag(nil, undecodable, protowire.BytesType)
	m.ProtoReflect().SetUnknown(protowire.AppendString(field, err.Error()))
	return nil
}

// decoded returns an error for a message that could not be decoded.
func decoded(m proto.Message) error {
	unknown := m.ProtoReflect().GetUnknown()
	if len(unknown) == 0 {
		return nil
	}
	number, kind, n := protowire.ConsumeTag(unknown)
	if number != undecodable || kind != protowire.BytesType {
		return nil
	}
	why, _ := protowire.ConsumeString(unknown[n:])
	why = strings.ToValidUTF8(strings.TrimLeft(strings.TrimPrefix(why, "proto:"), " \u00a0"), "?")
	return malformed([]*Violation{{Description: "cannot be decoded: " + why}})
}
