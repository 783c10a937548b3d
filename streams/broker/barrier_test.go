package broker

import (
	"bufio"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// barred is a barrier whose synchronisations a test lets go on one by one.
type barred struct {
	*barrier
	begun chan []topicKey
	end   chan error
}

func newBarred(t *testing.T) *barred {
	b := &barred{barrier: newBarrier(), begun: make(chan []topicKey, 10), end: make(chan error)}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = b.run(func(topics []topicKey) error { // what it returns is the test's own
			b.begun <- topics
			return <-b.end
		})
	}()
	t.Cleanup(func() {
		b.close(errors.New("closed"))
		close(b.end)
		<-stopped
	})
	return b
}

// answer waits as the answer to a request does.
func (b *barred) answer(p promise) chan error {
	answered := make(chan error, 1)
	go func() { answered <- b.wait(p) }()
	synctest.Wait()
	return answered
}

func held(answered chan error) bool { return len(answered) == 0 }

func TestAnswersWaitForASynchronisationThatBeganAfterThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBarred(t)
		journal := topicKey{name: "journal"}
		b.handling(work{true, []topicKey{journal}})
		first := b.answer(toldWrite)
		if topics := <-b.begun; !slices.Equal(topics, []topicKey{journal}) {
			t.Errorf("got topics %v, want the one that was written to", topics)
		}
		b.handling(work{writes: true})
		second := b.answer(toldWrite)
		nothing := b.answer(toldNothing)
		b.end <- nil
		synctest.Wait()
		if held(first) || held(nothing) || !held(second) {
			t.Errorf("held: first %v, nothing %v, second %v; want the second alone: it came after the synchronisation began", held(first), held(nothing), held(second))
		}
		<-b.begun
		b.end <- nil
		if err := <-second; err != nil {
			t.Error(err)
		}
	})
}

func TestReadersWaitForWhatTheyMayHaveSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBarred(t)
		if held(b.answer(toldRead)) {
			t.Error("nothing was written, and a reader is held")
		}
		// The writer's client is gone: nobody waits for its answer.
		b.handling(work{writes: true})
		b.handling(work{})
		reader := b.answer(toldRead)
		if !held(reader) {
			t.Fatal("a reader is told what may be lost")
		}
		<-b.begun
		if again := b.answer(toldRead); !held(again) {
			t.Error("a reader is told what is being synchronised")
		}
		b.end <- nil
		if err := <-reader; err != nil {
			t.Error(err)
		}
		if held(b.answer(toldRead)) {
			t.Error("all is on disk, and a reader is held")
		}
		// It is not known whether kfake has handled the latest request when a synchronisation begins.
		b.handling(work{writes: true})
		reader = b.answer(toldRead)
		<-b.begun
		b.end <- nil
		if err := <-reader; err != nil {
			t.Error(err)
		}
		reader = b.answer(toldRead)
		if !held(reader) {
			t.Error("a reader is told what the synchronisation before may have missed")
		}
		<-b.begun
		b.end <- nil
	})
}

func TestNobodyIsAnsweredAfterAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBarrier()
		failed := make(chan error)
		go func() { failed <- b.run(func([]topicKey) error { return errors.New("disk") }) }()
		answered := make(chan error, 1)
		go func() { answered <- b.wait(toldWrite) }()
		err := <-failed
		if err == nil || err.Error() != "disk" {
			t.Errorf("got %v from run, want the error", err)
		}
		synctest.Wait()
		if !held(answered) {
			t.Fatal("answered before the broker was stopped")
		}
		b.close(err)
		if err := <-answered; err == nil {
			t.Error("answered as if it were on disk")
		}
		if err := b.wait(toldNothing); err == nil {
			t.Error("answered after the failure")
		}
	})
}

// What is written outside of a transaction is promised by the very answer, whatever the request's version and whoever
// the client is.
func TestConnTellsRecordsOfATransaction(t *testing.T) {
	t.Parallel()
	id := "t"
	for version := int16(0); version <= kmsg.NewPtrProduceRequest().MaxVersion(); version++ {
		for _, name := range []string{"", "refold", strings.Repeat("n", 5_000)} {
			for _, txn := range []*string{nil, &id} {
				req := kmsg.NewPtrProduceRequest()
				req.Version, req.Acks, req.TransactionID = version, -1, txn
				raw := kmsg.NewRequestFormatter(kmsg.FormatterClientID(name)).AppendRequest(nil, req, 7)
				client, server := net.Pipe()
				go func() { _, _ = client.Write(raw) }() // it ends with the pipe
				c := &conn{Conn: server, in: bufio.NewReader(server)}
				must(t, c.begin())
				want := toldWrite
				if txn != nil && version >= 3 && len(name) < 4_000 { // a name that does not fit is not read past
					want = toldNothing
				}
				if got := c.promised([]byte{0, 0, 0, 0, 0, 0, 0, 7}); got != want {
					t.Errorf("version %d, client of %d letters, transactional %v: got %d, want %d", version, len(name), txn != nil, got, want)
				}
				must(t, client.Close())
				must(t, server.Close())
			}
		}
	}
}

func TestPromiseOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key   kmsg.Key
		inTxn bool
		want  promise
	}{
		{kmsg.Produce, true, toldNothing}, {kmsg.Produce, false, toldWrite}, {kmsg.EndTxn, false, toldWrite},
		{kmsg.InitProducerID, false, toldWrite}, {kmsg.Fetch, false, toldRead}, {kmsg.ListOffsets, false, toldRead},
		{kmsg.CreateTopics, false, toldWrite}, {kmsg.OffsetCommit, false, toldWrite}, {kmsg.Key(1000), false, toldWrite},
	} {
		if got := promiseOf(c.key, c.inTxn); got != c.want {
			t.Errorf("%s in a transaction %v: got %d, want %d", c.key.Name(), c.inTxn, got, c.want)
		}
	}
}
