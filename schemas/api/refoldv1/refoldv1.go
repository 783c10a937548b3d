// Package refoldv1 is version 1 of the platform's API, generated from schemas/proto/refold/v1: the
// messages, the gRPC clients and servers, and the handlers that serve the same over REST. A field,
// once published, keeps its number, type and meaning.
package refoldv1
