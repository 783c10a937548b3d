package profiles

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/refold/refold/projections/preferences"
	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

// maxTries bounds how often preferences are set upon what others have set meanwhile.
const maxTries = 5

// Reasons of refusals, beside those of package query. They are stable: programs may branch on them.
const (
	// ReasonKeyReused says that the idempotency key stands for other preferences.
	ReasonKeyReused = "IDEMPOTENCY_KEY_REUSED"
	// ReasonConflict says that others set preferences of the customer all the while: nothing was set.
	ReasonConflict = "CONFLICT"
)

// SetPreferences implements bankv1.ProfilesServiceServer.
//
// It reads up to the end of the log, so that it sees what was set before, also by a try of its own that nobody
// answered. Where the key has not counted yet, it notes what is to be the next revision, and reads again.
func (s *Server) SetPreferences(ctx context.Context, r *bankv1.SetPreferencesRequest) (*bankv1.SetPreferencesResponse, error) {
	wish := s.wish(ctx, r)
	p := topic.Of(r.GetCustomerId(), s.cfg.Reader.Partitions)
	next, err := s.cfg.Notes.End(ctx, p)
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		v, row, err := s.read(ctx, query.Question{Customer: r.GetCustomerId(), MinOffset: next})
		if err != nil {
			return nil, err
		}
		next = v.Next
		if err := v.Close(); err != nil {
			return nil, err
		}
		if done, ok := row.Counted(wish.EventID); ok {
			return settled(wish, done, position.Vector{{Topic: topic.Profiles, Partition: p}: next}, try == 0)
		}
		if try == maxTries {
			return nil, query.Refused(codes.Aborted, ReasonConflict, "others set preferences of the customer all the while: try again with the same key")
		}
		wish.Revision = row.Revision + 1
		if next, err = s.cfg.Notes.Append(ctx, p, r.GetCustomerId(), wish); err != nil {
			return nil, err
		}
	}
}

// wish returns what is asked for as it is noted, but for its revision.
func (s *Server) wish(ctx context.Context, r *bankv1.SetPreferencesRequest) *event.PreferencesSet {
	out := &event.PreferencesSet{
		EventID: event.ID(r.GetCustomerId(), r.GetIdempotencyKey()), RecordedAt: event.MicrosOf(s.cfg.Clock()),
		CustomerID: r.GetCustomerId(), Principal: s.cfg.Principal(ctx), TimeZone: r.GetTimeZone(),
	}
	rules := slices.SortedFunc(slices.Values(r.GetRules()), func(a, b *bankv1.AlertRule) int { return cmp.Compare(a.GetKind(), b.GetKind()) })
	content := append([]byte(r.GetTimeZone()), 0)
	for _, rule := range rules {
		kind := strings.TrimPrefix(rule.GetKind().String(), kindPrefix)
		out.Rules = append(out.Rules, event.AlertRule{Kind: kind, Off: rule.GetOff(), Limit: rule.GetLimit()})
		content = append(append(content, kind...), 0)
		if rule.GetOff() {
			content = append(content, 1)
		}
		content = binary.BigEndian.AppendUint64(append(content, 0), uint64(rule.GetLimit()))
	}
	sum := sha256.Sum256(content)
	copy(out.CommandHash[:], sum[:])
	return out
}

// settled returns the answer to a wish that has counted, now or before.
func settled(wish *event.PreferencesSet, done preferences.Set, at position.Vector, replayed bool) (*bankv1.SetPreferencesResponse, error) {
	if done.Hash != wish.CommandHash {
		return nil, query.Refused(codes.AlreadyExists, ReasonKeyReused, "the key stands for other preferences")
	}
	made := &preferences.Row{Revision: done.Revision, TimeZone: wish.TimeZone, Set: []preferences.Set{done}}
	for _, rule := range wish.Rules {
		made.Rules = append(made.Rules, preferences.Rule(rule))
	}
	return &bankv1.SetPreferencesResponse{Preferences: answer(made), Position: position.Token{Positions: at}.Encode(), Replayed: replayed}, nil
}
