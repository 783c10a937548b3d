// Package bankv1 is version 1 of the bank's API, generated from schemas/proto/bank/v1: the messages,
// the gRPC clients and servers, and the handlers that serve the same over REST. A field, once
// published, keeps its number, type and meaning.
package bankv1
