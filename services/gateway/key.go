package gateway

import (
	"net/http"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// keyHeader is the header of REST and the metadata key of gRPC that may stand for the field keyField of a
// request.
const (
	keyHeader = "Idempotency-Key"
	keyField  = "idempotency_key"
)

// takeKey puts the key that came beside a request into it, and returns why it cannot. Requests without such a
// field are left alone.
func takeKey(m proto.Message, given []string) []*Violation {
	request := m.ProtoReflect()
	field := request.Descriptor().Fields().ByName(keyField)
	if field == nil || len(given) == 0 {
		return nil
	}
	if wrong := checkKey(given); wrong != "" {
		return []*Violation{{Field: keyField, Description: wrong}}
	}
	if set := request.Get(field).String(); set != "" && set != given[0] {
		return []*Violation{{Field: keyField, Description: "differs from the key given beside the request"}}
	}
	request.Set(field, protoreflect.ValueOfString(given[0]))
	return nil
}

// checkKey says why a key cannot be meant: of two headers one would be lost, of a header that is not ASCII
// everything, and of one that is empty nobody knows whether it was to be one. The rules of the field say the
// rest.
func checkKey(given []string) string {
	if len(given) > 1 {
		return "is given more than once beside the request"
	}
	if given[0] == "" {
		return "is given beside the request, and is empty"
	}
	for _, c := range []byte(given[0]) {
		if c < '!' || c > '~' {
			return "must be of visible ASCII characters, without spaces"
		}
	}
	return ""
}

// keysOf returns the keys beside a request over REST. Reads have no use for them.
func keysOf(q *http.Request) []string {
	if q.Method == http.MethodGet || q.Method == http.MethodHead {
		q.Header.Del(keyHeader)
	}
	return q.Header.Values(keyHeader)
}
