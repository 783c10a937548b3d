package profiles_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/profiles"
	"github.com/refold/refold/streams/note"
	"github.com/refold/refold/streams/topic"
)

func rule(kind bankv1.AlertKind, limit int64) *bankv1.AlertRule {
	return &bankv1.AlertRule{Kind: kind, Limit: limit}
}

// set sets preferences of c1.
func (b *bank) set(key, zone string, rules ...*bankv1.AlertRule) *bankv1.SetPreferencesResponse {
	b.t.Helper()
	got, err := b.server.SetPreferences(b.t.Context(), &bankv1.SetPreferencesRequest{IdempotencyKey: key, CustomerId: "c1", TimeZone: zone, Rules: rules})
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

// get returns the preferences of c1 at a position.
func (b *bank) get(at string) *bankv1.Preferences {
	b.t.Helper()
	got, err := b.server.GetPreferences(b.t.Context(), &bankv1.GetPreferencesRequest{CustomerId: "c1", MinPosition: at})
	if err != nil {
		b.t.Fatal(err)
	}
	if got.GetFreshness().GetPosition() == "" {
		b.t.Errorf("got %v", got.GetFreshness())
	}
	return got.GetPreferences()
}

func TestWhatIsSetReplacesEverything(t *testing.T) {
	b := newBank(t)
	off := &bankv1.AlertRule{Kind: bankv1.AlertKind_ALERT_KIND_LARGE_PURCHASE, Off: true}
	first := b.set("k1", "Europe/Paris", rule(bankv1.AlertKind_ALERT_KIND_SCORE_CHANGE, 10), off)
	want := &bankv1.Preferences{
		TimeZone: "Europe/Paris", Rules: []*bankv1.AlertRule{off, rule(bankv1.AlertKind_ALERT_KIND_SCORE_CHANGE, 10)},
		Revision: 1, SetAt: timestamppb.New(setAt),
	}
	if !proto.Equal(first.GetPreferences(), want) || first.GetReplayed() {
		t.Errorf("got %v, want %v", first, want)
	}
	if got := b.get(first.GetPosition()); !proto.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	second := b.set("k2", "")
	if got := b.get(second.GetPosition()); got.GetRevision() != 2 || got.GetTimeZone() != "" || len(got.GetRules()) != 0 {
		t.Errorf("got %v", got)
	}
	// A retry of the first changes nothing, and is answered as it was, in whatever order its rules come.
	again := b.set("k1", "Europe/Paris", off, rule(bankv1.AlertKind_ALERT_KIND_SCORE_CHANGE, 10))
	if !proto.Equal(again.GetPreferences(), want) || !again.GetReplayed() {
		t.Errorf("again: got %v, want %v", again, want)
	}
	if got := b.get(again.GetPosition()); got.GetRevision() != 2 {
		t.Errorf("after a retry: got %v", got)
	}
}

func TestAKeyIsOfOneSetting(t *testing.T) {
	b := newBank(t)
	b.set("k1", "Europe/Paris", rule(bankv1.AlertKind_ALERT_KIND_SCORE_CHANGE, 10))
	for _, other := range []*bankv1.SetPreferencesRequest{
		{TimeZone: "Europe/Rome", Rules: []*bankv1.AlertRule{rule(bankv1.AlertKind_ALERT_KIND_SCORE_CHANGE, 10)}},
		{TimeZone: "Europe/Paris", Rules: []*bankv1.AlertRule{rule(bankv1.AlertKind_ALERT_KIND_SCORE_CHANGE, 11)}},
		{TimeZone: "Europe/Paris", Rules: []*bankv1.AlertRule{{Kind: bankv1.AlertKind_ALERT_KIND_SCORE_CHANGE, Limit: 10, Off: true}}},
		{TimeZone: "Europe/Paris", Rules: []*bankv1.AlertRule{rule(bankv1.AlertKind_ALERT_KIND_LOW_BALANCE, 10)}},
		{TimeZone: "Europe/Paris"},
	} {
		other.IdempotencyKey, other.CustomerId = "k1", "c1"
		_, err := b.server.SetPreferences(t.Context(), other)
		refused(t, err, codes.AlreadyExists, profiles.ReasonKeyReused)
	}
	if got := b.get(b.set("k1", "Europe/Paris", rule(bankv1.AlertKind_ALERT_KIND_SCORE_CHANGE, 10)).GetPosition()); got.GetRevision() != 1 {
		t.Errorf("got %v", got)
	}
}

// Those who set at the same time each count, one after the other; tries of one key count once.
func TestManySetAtTheSameTime(t *testing.T) {
	b := newBank(t)
	var all sync.WaitGroup
	for n := range 9 {
		all.Go(func() {
			r := &bankv1.SetPreferencesRequest{IdempotencyKey: fmt.Sprint("k", n/3), CustomerId: "c1", Rules: []*bankv1.AlertRule{rule(bankv1.AlertKind_ALERT_KIND_LOW_BALANCE, int64(1+n/3))}}
			for {
				_, err := b.server.SetPreferences(t.Context(), r)
				if err == nil {
					return
				}
				refused(t, err, codes.Aborted, profiles.ReasonConflict)
			}
		})
	}
	all.Wait()
	if got := b.get(b.set("k0", "", rule(bankv1.AlertKind_ALERT_KIND_LOW_BALANCE, 1)).GetPosition()); got.GetRevision() != 3 {
		t.Errorf("got %v, want revision 3", got)
	}
}

// lossy are notes of which the answers of some do not come, and before some of which somebody else is quicker.
type lossy struct {
	profiles.Notes
	unheard, late int
}

func (l *lossy) Append(ctx context.Context, p int32, customer string, n note.Note) (int64, error) {
	if l.late > 0 {
		l.late--
		other := *n.(*event.PreferencesSet)
		other.EventID, other.TimeZone = fmt.Sprint("other", l.late), "Asia/Tokyo"
		if _, err := l.Notes.Append(ctx, p, customer, &other); err != nil {
			return 0, err
		}
	}
	next, err := l.Notes.Append(ctx, p, customer, n)
	if l.unheard > 0 {
		l.unheard--
		return 0, note.ErrUnknown
	}
	return next, err
}

func TestWhatWasNotHeardIsSetOnce(t *testing.T) {
	b := newBank(t)
	b.over(&lossy{Notes: b.notes, unheard: 1})
	r := &bankv1.SetPreferencesRequest{IdempotencyKey: "k1", CustomerId: "c1", TimeZone: "Europe/Paris"}
	if _, err := b.server.SetPreferences(t.Context(), r); !errors.Is(err, note.ErrUnknown) {
		t.Fatalf("got %v, want ErrUnknown", err)
	}
	b.asked = nil
	got := b.set("k1", "Europe/Paris")
	if len(b.asked) != 1 || b.asked[0] != 1 {
		t.Errorf("it waited for the positions %v, want the end of the log", b.asked)
	}
	if !got.GetReplayed() || b.get(got.GetPosition()).GetRevision() != 1 || b.broker.Ends(topic.Profiles)[topic.Of("c1", partitions)] != 1 {
		t.Errorf("got %v, and the log ends at %v", got, b.broker.Ends(topic.Profiles))
	}
}

func TestOthersAreQuicker(t *testing.T) {
	b := newBank(t)
	b.over(&lossy{Notes: b.notes, late: 2})
	got := b.set("k1", "Europe/Paris")
	if p := b.get(got.GetPosition()); got.GetReplayed() || p.GetRevision() != 3 || p.GetTimeZone() != "Europe/Paris" {
		t.Errorf("got %v", p)
	}
	b.over(&lossy{Notes: b.notes, late: 100})
	_, err := b.server.SetPreferences(t.Context(), &bankv1.SetPreferencesRequest{IdempotencyKey: "k2", CustomerId: "c1"})
	refused(t, err, codes.Aborted, profiles.ReasonConflict)
}
