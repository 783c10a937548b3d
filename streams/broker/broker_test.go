package broker

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestOpenKeepsEverything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	createTopic(t, b.Addr(), topicName, 2)
	produce(t, client(t, b.Addr()), "a", "b")
	adm := kadm.NewClient(client(t, b.Addr()))
	var offsets kadm.Offsets
	offsets.AddOffset(topicName, 0, 1, -1)
	if err := adm.CommitAllOffsets(t.Context(), "g", offsets); err != nil {
		t.Fatal(err)
	}
	before, err := adm.ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	meta, err := adm.BrokerMetadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(meta.Cluster, "refold-") || len(meta.Cluster) != 29 {
		t.Errorf("got cluster id %q, want refold- and 22 characters", meta.Cluster)
	}
	closeBroker(t, b)

	for range 2 {
		b = open(t, Config{Dir: dir})
		wantValues(t, committed(t, b.Addr(), 0), "a", "b")
		adm := kadm.NewClient(client(t, b.Addr()))
		got, err := adm.FetchOffsets(t.Context(), "g")
		if err != nil {
			t.Fatal(err)
		}
		if o, _ := got.Lookup(topicName, 0); o.At != 1 {
			t.Errorf("got group offset %d, want 1", o.At)
		}
		after, err := adm.ListTopics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := after[topicName].ID, before[topicName].ID; got != want {
			t.Errorf("got topic id %v, want %v", got, want)
		}
		if got, err := adm.BrokerMetadata(t.Context()); err != nil || got.Cluster != meta.Cluster {
			t.Errorf("got cluster id %q (%v), want %q", got.Cluster, err, meta.Cluster)
		}
		closeBroker(t, b)
	}
}

func TestOpenRefusesFolderInUse(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Dir: t.TempDir()})
	if err := openError(t, Config{Dir: b.config.Dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
	if err := Check(t.Context(), b.config.Dir); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
}

func TestOpenRefusesPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	_, err = Open(t.Context(), Config{Dir: dir, Listen: l.Addr().String()})
	want := "open broker: the address " + l.Addr().String() + " is in use by another process"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	open(t, Config{Dir: dir}) // the folder is free again
}

// kfake would answer with a producer id that it could not write down.
func TestBrokerStopsWhereItCannotWrite(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Dir: t.TempDir()})
	path := filepath.Join(b.config.Dir, producersFile)
	removeFile(t, path)
	mkdir(t, path)
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis = kmsg.StringPtr("t"), 60000
	if got := ask(t, b.Addr(), string(kmsg.NewRequestFormatter().AppendRequest(nil, req, 1))); got != "" {
		t.Errorf("got the answer %x, want none", got)
	}
	if err := b.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v from Wait, want an error about %s", err, path)
	}
	if _, err := net.Dial("tcp", b.Addr()); err == nil {
		t.Error("got a connection, want none")
	}
	if err := b.Close(); err == nil {
		t.Error("got no error from Close, want one")
	}
}

func TestListenerHoldsClientsBack(t *testing.T) {
	t.Parallel()
	l, err := listen("127.0.0.1:0", newBarrier())
	must(t, err)
	defer l.Close()
	waiting, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	defer waiting.Close()
	var opened atomic.Bool
	time.AfterFunc(20*time.Millisecond, func() {
		opened.Store(true)
		l.open()
	})
	c, err := l.Accept()
	must(t, err)
	defer c.Close()
	if !opened.Load() {
		t.Error("the client was let in before the log was ready")
	}
}

func TestListenerRefusesWhatIsNoRequest(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Dir: t.TempDir()})
	for name, sent := range map[string]string{
		"another protocol": "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"unknown kind":     "\x00\x00\x00\x0c\x7f\x00\x00\x00\x00\x00\x00\x01\xff\xff",
		"too long":         "\x7f\xff\xff\xff\x00\x03",
	} {
		if got := ask(t, b.Addr(), sent); got != "" {
			t.Errorf("%s: got the answer %x, want none", name, got)
		}
	}
	createTopic(t, b.Addr(), topicName, 1) // and the broker goes on
}

func TestConnRefusesRequestTooShort(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	go func() { _, _ = client.Write([]byte("\x00\x00\x00\x00\x00\x03")) }()
	if n, err := (&conn{Conn: server, in: bufio.NewReader(server)}).Read(make([]byte, 4)); err == nil {
		t.Errorf("got %d bytes, want an error", n)
	}
}

// ask sends bytes and returns what comes back until the connection is closed.
func ask(t *testing.T, addr, sent string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(time.Minute)))
	_, err = c.Write([]byte(sent))
	must(t, err)
	got, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection stays open after %q", sent)
	}
	return string(got)
}
