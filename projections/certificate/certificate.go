// Package certificate is the proof that a replay leaves behind: what was read, by which fold, what came out, and
// who decided. It is signed, so that whoever has the public key can hold it against the log years later.
//
// A document is JSON with the certificate, the public key and an Ed25519 signature (RFC 8032) over the
// certificate in compact form, so that white space means nothing.
package certificate

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrForged is wrapped where a document is not what was signed, or not by whom it says.
var ErrForged = errors.New("the certificate is not what was signed")

// Certificate says how a generation came to be live.
type Certificate struct {
	// Operation names the replay, projection and generation.
	Operation  string `json:"operation"`
	Projection string `json:"projection"`
	Generation int64  `json:"generation"`
	// Version and FoldHash are those of the fold.
	Version  int64  `json:"version"`
	FoldHash string `json:"fold_hash"`
	// Plan is the hash of the plan; Snapshot, Keys and TouchedBy are what it began with, and what it folded.
	Plan      string   `json:"plan,omitempty"`
	Snapshot  string   `json:"snapshot,omitempty"`
	Keys      []string `json:"keys,omitempty"`
	TouchedBy string   `json:"touched_by,omitempty"`
	Inputs    []Input  `json:"inputs"`
	// Compared is the generation that was live when both were compared; Rows were, and Differences differed.
	Compared    int64 `json:"compared_with"`
	Rows        int64 `json:"rows"`
	Differences int64 `json:"differences"`
	// Digest is over Outputs; see Sum.
	Digest  string   `json:"digest"`
	Outputs []Output `json:"outputs"`
	// Started, Verified and Promoted are the acts.
	Started  Act `json:"started"`
	Verified Act `json:"verified"`
	Promoted Act `json:"promoted"`
}

// Input is what was read of one partition: offsets from one up to, not including, another.
type Input struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
	// Head is the SHA-256 of the last record before To, as stored, and HeadOffset where it is: in a journal the
	// record after it names the same hash, so that it stands for all records before it. It is empty where there
	// is no record.
	Head       string `json:"head,omitempty"`
	HeadOffset int64  `json:"head_offset,omitempty"`
}

// Output is the digest of the rows in one bucket of keys of a partition; see package digest.
type Output struct {
	Partition int32  `json:"partition"`
	Bucket    int32  `json:"bucket"`
	Digest    string `json:"digest"`
}

// Act is what was decided, as it stands in refold.acts.
type Act struct {
	ID        string    `json:"id"`
	At        time.Time `json:"at"`
	Principal string    `json:"principal"`
	Reason    string    `json:"reason,omitempty"`
	// Build is what the process was built from that acted.
	Build  string `json:"build,omitempty"`
	Forced bool   `json:"forced,omitempty"`
}

// Sum is the digest of outputs: the first 128 bits, in hex, of a SHA-256 over a line "partition bucket digest" of
// each, in their order.
func Sum(outputs []Output) string {
	h := sha256.New()
	for _, o := range outputs {
		fmt.Fprintf(h, "%d %d %s\n", o.Partition, o.Bucket, o.Digest)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// document is a certificate with its signature.
type document struct {
	Certificate json.RawMessage `json:"certificate"`
	PublicKey   string          `json:"public_key"`
	Signature   string          `json:"signature"`
}

// Sign returns the document of a certificate.
func Sign(c Certificate, key ed25519.PrivateKey) ([]byte, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", c.Operation, err)
	}
	b, err := json.MarshalIndent(document{body, Text(key.Public().(ed25519.PublicKey)), base64.StdEncoding.EncodeToString(ed25519.Sign(key, body))}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("certificate of %s: %w", c.Operation, err)
	}
	return append(b, '\n'), nil
}

// Text returns a public key as it stands in documents.
func Text(key ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(key) }

// Is tells whether a document says that it is a certificate, be it true or forged.
func Is(b []byte) bool {
	var d document
	return json.Unmarshal(b, &d) == nil && len(d.Certificate) > 0 && d.PublicKey != "" && d.Signature != ""
}

// Verify returns the certificate of a document and the public key in it, if that key has signed it and its
// digests agree. Whether the key is to be trusted is for the caller to know.
func Verify(b []byte) (Certificate, ed25519.PublicKey, error) {
	var d document
	if err := strict(b, &d); err != nil {
		return Certificate{}, nil, err
	}
	var body bytes.Buffer
	if err := json.Compact(&body, d.Certificate); err != nil {
		return Certificate{}, nil, fmt.Errorf("%w: %w", ErrForged, err)
	}
	key, err := base64.StdEncoding.DecodeString(d.PublicKey)
	signature, problem := base64.StdEncoding.DecodeString(d.Signature)
	if err != nil || problem != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, body.Bytes(), signature) {
		return Certificate{}, nil, fmt.Errorf("%w: the signature is not that of its key", ErrForged)
	}
	var c Certificate
	if err := strict(body.Bytes(), &c); err != nil {
		return Certificate{}, nil, err
	}
	if c.Digest != Sum(c.Outputs) {
		return Certificate{}, nil, fmt.Errorf("%w: its digest is not that of its outputs", ErrForged)
	}
	return c, key, nil
}

// strict reads one JSON value and nothing that is not known: what is not read must not seem to be signed.
func strict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrForged, err)
	}
	if d.More() {
		return fmt.Errorf("%w: something follows it", ErrForged)
	}
	return nil
}
