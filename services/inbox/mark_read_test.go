package inbox_test

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/inbox"
	"github.com/refold/refold/streams/note"
	"github.com/refold/refold/streams/position"
	"github.com/refold/refold/streams/topic"
)

// told returns the notification of a purchase, which is the only one.
func (b *bank) told() *bankv1.Notification {
	b.t.Helper()
	got := b.list(&bankv1.ListInboxRequest{CustomerId: "c1", MinPosition: b.commit(b.bought(day(1), 60_000))})
	if len(got.GetNotifications()) != 1 {
		b.t.Fatalf("got %v, want one notification", got)
	}
	return got.GetNotifications()[0]
}

func (b *bank) records() (n int64) {
	for _, end := range b.broker.Ends(topic.Notifications) {
		n += end
	}
	return n
}

func TestReadOnceIsRead(t *testing.T) {
	b := newBank(t)
	n := b.told()
	r := &bankv1.MarkReadRequest{CustomerId: "c1", NotificationId: n.GetId()}
	got, err := b.server.MarkRead(t.Context(), r)
	if err != nil || !got.GetNotification().GetReadAt().AsTime().Equal(readAt) || got.GetNotification().GetId() != n.GetId() {
		t.Fatalf("got %v, %v", got, err)
	}
	list := b.list(&bankv1.ListInboxRequest{CustomerId: "c1", MinPosition: got.GetPosition()})
	if list.GetUnread() != 0 || !list.GetNotifications()[0].GetReadAt().AsTime().Equal(readAt) {
		t.Errorf("got %v", list)
	}
	if unread := b.list(&bankv1.ListInboxRequest{CustomerId: "c1", MinPosition: got.GetPosition(), Unread: true}); len(unread.GetNotifications()) != 0 {
		t.Errorf("only the unread: got %v", unread)
	}
	records := b.records()
	r.MinPosition = got.GetPosition()
	again, err := b.server.MarkRead(t.Context(), r)
	if err != nil || !again.GetNotification().GetReadAt().AsTime().Equal(readAt) || again.GetPosition() != got.GetPosition() {
		t.Errorf("again: got %v, %v, want %v", again, err, got)
	}
	if b.records() != records {
		t.Errorf("it was noted again: %d records, want %d", b.records(), records)
	}
}

func TestWhatWasNotToldIsNotRead(t *testing.T) {
	b := newBank(t)
	n := b.told()
	for _, r := range []*bankv1.MarkReadRequest{
		{CustomerId: "c1", NotificationId: "n9"}, {CustomerId: "c2", NotificationId: n.GetId()},
	} {
		_, err := b.server.MarkRead(t.Context(), r)
		refused(t, err, codes.NotFound, inbox.ReasonNotificationNotFound)
	}
	b.notes.Close()
	if _, err := b.server.MarkRead(t.Context(), &bankv1.MarkReadRequest{CustomerId: "c1", NotificationId: n.GetId()}); !errors.Is(err, note.ErrUnknown) {
		t.Errorf("nothing can be noted: got %v, want ErrUnknown", err)
	}
}

// Somebody may note that what was never told was read: nobody sees it.
func TestWhatIsReadAndWasNotToldIsNotListed(t *testing.T) {
	b := newBank(t)
	b.told()
	partition := topic.Of("c1", partitions)
	next, err := b.notes.Append(t.Context(), partition, "c1", &event.NotificationRead{CustomerID: "c1", NotificationID: "n9", RecordedAt: 1})
	if err != nil {
		t.Fatal(err)
	}
	seen := position.Token{Positions: position.Vector{{Topic: topic.Notifications, Partition: partition}: next}}.Encode()
	if got := b.list(&bankv1.ListInboxRequest{CustomerId: "c1", MinPosition: seen}); len(got.GetNotifications()) != 1 || got.GetUnread() != 1 {
		t.Errorf("got %v, want what was told", got)
	}
}

// What was read stands among the effects, and says nothing of what was emitted: an engine that has lost its rows
// publishes nothing again, what comes next it does, and the inbox is as it was.
func TestReadMarksStandAmongEffects(t *testing.T) {
	b := newBank(t)
	n := b.told()
	read, err := b.server.MarkRead(t.Context(), &bankv1.MarkReadRequest{CustomerId: "c1", NotificationId: n.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	b.stop()
	b.run()
	seen := b.commit(b.bought(day(2), 70_000))
	got := b.list(&bankv1.ListInboxRequest{CustomerId: "c1", MinPosition: seen})
	if want := []int64{-70_000, -60_000}; !slices.Equal(amounts(got.GetNotifications()), want) || got.GetUnread() != 1 {
		t.Errorf("got %v, want %v with one unread", got, want)
	}
	// As many records as before, the second notification, and the marker of its transaction.
	if want := b.list(&bankv1.ListInboxRequest{CustomerId: "c1", MinPosition: read.GetPosition()}); b.records() != 5 {
		t.Errorf("got %d offsets, want 5: %v", b.records(), want)
	}
	asOf := b.list(&bankv1.ListInboxRequest{CustomerId: "c1", AsOfTime: timestamppb.New(readAt)})
	if asOf.GetUnread() != 0 {
		t.Errorf("as it was: got %v", asOf)
	}
}
