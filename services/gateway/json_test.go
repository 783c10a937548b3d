package gateway

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/refold/refold/schemas/api/bankv1"
)

// A body in whose form nothing is wrong can be decoded; and one in which something is, without it.
func FuzzCheckJSON(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `{"legs":[{"amount_minor":"5"},{}],"kind":1}`, `{"legs":[null,1,{"x":[{}]}],"legs":[]}`, `{"occurred_at":"2026-01-31T12:00:00Z"}`,
		`{"amount_minor":1e2,"account_id":null,"accountId":"a"}`, `{"merchant":"\ud800","mcc":"a\u0000"} x`, "{\"x\":\"\xff\"}", `{"historical":true,"kind":"ENTRY_KIND_FEE"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, m := range []proto.Message{new(bankv1.PostEntriesRequest), new(bankv1.PostEntryRequest), new(bankv1.OpenAccountRequest)} {
			wrong, rest := checkJSON(m.ProtoReflect().Descriptor(), body, map[string]string{"account_id": "c1.main"})
			if len(wrong) == 0 && len(bytes.TrimSpace(body)) > 0 {
				if err := unmarshal().Unmarshal(body, m); err != nil {
					t.Errorf("%q: nothing is wrong, but %v", body, err)
				}
			}
			if rest == nil {
				continue
			}
			if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(rest, m); err != nil {
				t.Errorf("%q: what is right of it is %q, but %v", body, rest, err)
			}
		}
	})
}
