package broker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A member that is killed while it waits to join is given up when its session is over, and the others share out anew.
func TestAMemberThatIsKilledAsItJoinsIsGivenUp(t *testing.T) {
	b, err := Open(t.Context(), Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	connect := func() *kgo.Client {
		c, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	stays, dies := connect(), connect()
	defer stays.Close()
	first, err := join(t.Context(), stays, "")
	if err != nil {
		t.Fatal(err)
	}
	share(t, stays, first)
	ctx, kill := context.WithCancel(t.Context())
	asked := make(chan struct{})
	go func() { defer close(asked); _, _ = join(ctx, dies, "") }()
	until(t, 10*time.Second, "the others are told", func() bool { return errors.Is(beat(stays, first), kerr.RebalanceInProgress) })
	kill()
	dies.Close()
	<-asked
	if first, err = join(t.Context(), stays, first.MemberID); err != nil || len(first.Members) != 2 {
		t.Fatalf("%+v, %v: want two members, the one that was killed as well", first, err)
	}
	share(t, stays, first)
	until(t, 20*time.Second, "it is given up", func() bool { return errors.Is(beat(stays, first), kerr.RebalanceInProgress) })
}

func joining(member string) *kmsg.JoinGroupRequest {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Group, r.MemberID, r.ProtocolType = "g", member, "consumer"
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 6_000, 5_000
	r.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
	return r
}

// join joins the group, with the id that the broker gives where there is none.
func join(ctx context.Context, c *kgo.Client, member string) (*kmsg.JoinGroupResponse, error) {
	for {
		resp, err := joining(member).RequestWith(ctx, c)
		if err != nil {
			return nil, err
		}
		if member != "" || resp.ErrorCode != kerr.MemberIDRequired.Code {
			return resp, kerr.ErrorForCode(resp.ErrorCode)
		}
		member = resp.MemberID
	}
}

func share(t *testing.T, c *kgo.Client, as *kmsg.JoinGroupResponse) {
	t.Helper()
	r := kmsg.NewPtrSyncGroupRequest()
	r.Group, r.Generation, r.MemberID = "g", as.Generation, as.MemberID
	resp, err := r.RequestWith(t.Context(), c)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func beat(c *kgo.Client, as *kmsg.JoinGroupResponse) error {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Group, r.Generation, r.MemberID = "g", as.Generation, as.MemberID
	resp, err := r.RequestWith(context.Background(), c)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.ErrorCode)
}

func until(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !holds(); <-time.After(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
