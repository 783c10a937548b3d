package certificate_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/refold/refold/projections/certificate"
)

func signed(t *testing.T) (certificate.Certificate, ed25519.PrivateKey, []byte) {
	t.Helper()
	act := certificate.Act{ID: "a", At: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), Principal: "who", Reason: "why", Build: "v1"}
	outputs := []certificate.Output{{Partition: 1, Bucket: 2, Digest: "aa"}, {Partition: 1, Bucket: 3, Digest: "bb"}}
	c := certificate.Certificate{
		Operation: "p-2", Projection: "p", Generation: 2, Version: 1, FoldHash: "h", Compared: 1, Rows: 3, Digest: certificate.Sum(outputs), Outputs: outputs,
		Inputs:  []certificate.Input{{Topic: "t", Partition: 1, From: 0, To: 9, Head: "cc", HeadOffset: 7}},
		Started: act, Verified: act, Promoted: act,
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	b, err := certificate.Sign(c, key)
	if err != nil {
		t.Fatal(err)
	}
	return c, key, b
}

func TestSignedIsVerified(t *testing.T) {
	want, key, b := signed(t)
	var spaced bytes.Buffer
	if err := json.Indent(&spaced, b, "\t", "       "); err != nil {
		t.Fatal(err)
	}
	for _, doc := range [][]byte{b, spaced.Bytes()} {
		got, by, err := certificate.Verify(doc)
		if err != nil || !reflect.DeepEqual(got, want) || !by.Equal(key.Public()) {
			t.Errorf("got %+v by %x, %v, want %+v", got, by, err, want)
		}
	}
}

// Whatever is changed in a document makes it another one.
func TestForgeryIsFound(t *testing.T) {
	c, _, b := signed(t)
	for from, to := range map[string]string{
		`"differences": 0`: `"differences": 1`, `"who"`: `"you"`, `"to": 9`: `"to": 8`, `"signature": "`: `"signature": "AA`,
		`"public_key": "`: `"public_key": "AA`, `"rows": 3`: `"rows": 3, "more": 1`, `"certificate": {`: `"more": 1, "certificate": {`,
	} {
		forged := strings.Replace(string(b), from, to, 1)
		if forged == string(b) {
			t.Fatalf("%s is not in %s", from, b)
		}
		if _, _, err := certificate.Verify([]byte(forged)); !errors.Is(err, certificate.ErrForged) {
			t.Errorf("%s: got %v, want ErrForged", to, err)
		}
	}
	if _, _, err := certificate.Verify(append(b, '{')); !errors.Is(err, certificate.ErrForged) {
		t.Errorf("with more behind it: got %v, want ErrForged", err)
	}
	c.Digest = "other"
	other, err := certificate.Sign(c, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := certificate.Verify(other); !errors.Is(err, certificate.ErrForged) {
		t.Errorf("with another digest: got %v, want ErrForged", err)
	}
}
