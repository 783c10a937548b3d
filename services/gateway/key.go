package gateway

import (
	"context"
	"net/http"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// keyHeader is the header of REST and the metadata key of gRPC that may stand for the field keyField of a
// request.
const (
	keyHeader = "Idempotency-Key"
	keyField  = "idempotency_key"
)

// takeKey puts the key that came beside a request into it. Requests without such a field are left alone.
func takeKey(ctx context.Context, m proto.Message) error {
	request := m.ProtoReflect()
	field := request.Descriptor().Fields().ByName(keyField)
	given := metadata.ValueFromIncomingContext(ctx, keyHeader)
	if field == nil || len(given) == 0 {
		return nil
	}
	if err := checkKey(given); err != nil {
		return err
	}
	if set := request.Get(field).String(); set != "" && set != given[0] {
		return malformed(keyField, "differs from the key given beside the request")
	}
	request.Set(field, protoreflect.ValueOfString(given[0]))
	return nil
}

// checkKey refuses what the field could not hold, or what would be lost on the way to it: of two headers one,
// of a header that is not ASCII everything. The rules of the field say the rest.
func checkKey(given []string) error {
	if len(given) > 1 {
		return malformed(keyField, "is given more than once beside the request")
	}
	for _, c := range []byte(given[0]) {
		if c < '!' || c > '~' {
			return malformed(keyField, "must be of visible ASCII characters")
		}
	}
	return nil
}

// checkKeyHeader refuses a request that writes under a key that is none. Reads have no use for the header.
func checkKeyHeader(r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		r.Header.Del(keyHeader)
		return nil
	}
	if given := r.Header.Values(keyHeader); len(given) > 0 {
		return checkKey(given)
	}
	return nil
}
