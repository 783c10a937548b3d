package control_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/refold/refold/projections/acts"
	"github.com/refold/refold/projections/certificate"
	"github.com/refold/refold/projections/spending"
	"github.com/refold/refold/projections/store/memory"
	"github.com/refold/refold/schemas/api/refoldv1"
	"github.com/refold/refold/streams/timeline"
	"github.com/refold/refold/streams/topic"
)

// The certificate of a promoted replay says what was read up to which record, what came out and who decided.
func TestCertificate(t *testing.T) {
	b := newBank(t)
	s, stop := b.run(memory.New(), spending.Definition())
	defer stop()
	for range 10 {
		b.post()
	}
	b.folded(s, spending.Name)
	if _, err := s.StartReplay(t.Context(), &refoldv1.StartReplayRequest{Projection: spending.Name, Reason: "to see"}); err != nil {
		t.Fatal(err)
	}
	op := b.reached(s, "spending-2", refoldv1.GenerationState_GENERATION_STATE_VERIFIED)
	r := &refoldv1.GetCertificateRequest{Id: op.GetId()}
	_, err := s.GetCertificate(t.Context(), r)
	if _, refused := acts.IsRefusal(err); !refused {
		t.Errorf("before it is promoted: got %v, want a refusal", err)
	}
	if _, err := s.Promote(t.Context(), &refoldv1.PromoteRequest{Id: op.GetId(), Reason: "it is right"}); err != nil {
		t.Fatal(err)
	}
	signed, err := s.GetCertificate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	b.post()
	if again, err := s.GetCertificate(t.Context(), r); err != nil || again.GetDocument() != signed.GetDocument() {
		t.Errorf("got %v, %v, want the same once more", again, err)
	}
	c, key, err := certificate.Verify([]byte(signed.GetDocument()))
	if err != nil || certificate.Text(key) != signed.GetPublicKey() {
		t.Fatalf("got %v by %x", err, key)
	}
	b.certified(c, op)
}

// certified holds a certificate against its operation and the log.
func (b *bank) certified(c certificate.Certificate, op *refoldv1.Operation) {
	b.t.Helper()
	if c.Operation != op.GetId() || c.FoldHash != spending.Definition().Hash || c.Compared != 1 || c.Rows != 10 || c.Differences != 0 ||
		c.Digest != op.GetVerification().GetDigest() || len(c.Outputs) == 0 || len(c.Inputs) != partitions ||
		c.Started.Principal != "tester" || c.Started.Reason != "to see" || c.Promoted.Reason != "it is right" || c.Verified.At.IsZero() {
		b.t.Errorf("got %+v", c)
	}
	for _, in := range c.Inputs {
		if last := b.last(in.Partition, in.To); in.From != 0 || in.HeadOffset != last.Offset || in.Head != hash(last.Value) {
			b.t.Errorf("got input %+v, want the record at %d", in, last.Offset)
		}
	}
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// last returns the last record of a partition before an offset.
func (b *bank) last(partition int32, before int64) (last *timeline.Record) {
	b.t.Helper()
	spans := map[int32]timeline.Span{partition: {Start: 0, End: before}}
	err := timeline.Scan(b.t.Context(), b.broker.Cluster, topic.Transactions, spans, func(got timeline.Batch) error {
		for _, rec := range got.Records {
			last = rec
		}
		return nil
	})
	if err != nil || last == nil {
		b.t.Fatalf("last record of partition %d before %d: %v, %v", partition, before, last, err)
	}
	return last
}
