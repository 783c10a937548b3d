package transactions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/topic"
)

func TestXP3RepeatedAndReorderedRequests(t *testing.T) {
	l := &lossy{}
	i := apart(t, l)
	const transfers = 10
	var requests []news
	for n := range transfers {
		id := i.sent(payer, receiver, fmt.Sprint("t", n), 1)
		i.until(func() bool { return i.transferOf(payer, id) != nil })
		e, offset := i.saved(t.Context(), i.home(payer)).sentTransfer(payer, id)
		for range 5 {
			requests = append(requests, i.request(e, offset))
		}
	}
	rand.Shuffle(len(requests), func(a, b int) { requests[a], requests[b] = requests[b], requests[a] })
	l.lost.Store(false)
	other := i.bank.start(inGroup("another")) // it believes to own the same partitions
	for n, r := range requests {
		[]*instance{i, other}[n%2].relayNow(r)
	}
	i.until(func() bool { return i.bank.balance(receiver) == transfers })
	other.stop()
	i.until(func() bool { return i.bank.clearing() == 0 && i.quiet() })
	i.balances(100-transfers, transfers)
	i.drained()
}

// relayNow sends a message as the relay of an instance does.
func (i *instance) relayNow(n news) {
	i.bank.t.Helper()
	encoder, err := i.cfg.Codec.Encoder(i.bank.t.Context(), topic.Transfers, event.NameTransferRelayed)
	if err != nil {
		i.bank.t.Fatal(err)
	}
	(&relay{Server: i.Server, encoder: encoder}).send(n)
}

// quiet reports whether no transfer is on its way, by rows that are as far as the log.
func (i *instance) quiet() bool {
	ends := i.bank.ends()
	for p, end := range ends {
		if err := i.ledger.Wait(i.bank.t.Context(), p, end); err != nil {
			i.bank.t.Fatal(err)
		}
	}
	answer, err := i.ListPendingTransfers(i.bank.t.Context(), &bankv1.ListPendingTransfersRequest{})
	return err == nil && len(answer.GetTransfers()) == 0 && maps.Equal(ends, i.bank.ends())
}

// ends returns the ends of the log.
func (b *bank) ends() cluster.Offsets {
	b.t.Helper()
	client, err := b.cluster.Client()
	if err != nil {
		b.t.Fatal(err)
	}
	defer client.Close()
	ends, err := cluster.Ends(b.t.Context(), client, topic.Transactions)
	if err != nil {
		b.t.Fatal(err)
	}
	return ends
}

func TestXP6RepeatedAnswers(t *testing.T) {
	i := apart(t, nil)
	id := i.sent(payer, "c4.unknown", "t", 10)
	i.ended(payer, id)
	o, found, err := i.machine(i.home(receiver)).Find(t.Context(), &Command{customer: "c4", key: transferKey + id})
	if err != nil || !found {
		t.Fatalf("got %t, %v, want the rejection", found, err)
	}
	answer := event.TransferRelayed{TransferID: id, FromAccountID: payer, ToAccountID: "c4.unknown", Offset: o.offset}
	for range 5 {
		i.relayNow(news{to: i.home(payer), message: answer})
	}
	last := i.sent(payer, receiver, "t2", 1)
	i.ended(payer, last)
	returns := 0
	i.bank.read(func(_ *kgo.Record, f fact) {
		if e, ok := f.(*event.EntryPosted); ok && e.Kind == event.EntryTransferReturn {
			returns++
		}
	})
	if returns != 1 {
		t.Errorf("returns: got %d, want 1", returns)
	}
	i.balances(99, 1)
	i.drained()
}

func TestXP9ForgedMessages(t *testing.T) {
	i := apart(t, nil)
	known := i.sent(payer, receiver, "t", 10)
	i.ended(payer, known)
	before := i.bank.records()
	to := i.home(receiver)
	forged := func(id, from, to string, offset int64) event.TransferRelayed {
		return event.TransferRelayed{TransferID: id, FromAccountID: from, ToAccountID: to, Offset: offset}
	}
	for _, m := range []event.TransferRelayed{
		forged("never", payer, receiver, 0),        // nobody sent it
		forged(known, payer, "c4.other", 0),        // to somebody else
		forged(known, "c1.other", receiver, 0),     // from somebody else
		forged(known, receiver, payer, 0),          // the other way round
		forged(known, payer, receiver, 1<<40),      // of a record that is not there
		forged(known, payer, "c1.other", 0),        // within a partition
		forged(known, "@world.0.EUR", receiver, 0), // from the bank
		forged(known, payer, receiver, -1),
	} {
		i.relayNow(news{to: to, message: m})
	}
	i.cfg.Mail.Send(to, []byte("c4"), []byte("no message at all"))
	i.cfg.Mail.Send(to, []byte("c4"), nil)
	if got := i.bank.records(); got != before {
		t.Errorf("records: got %d, want the %d of before", got, before)
	}
	i.ended(payer, i.sent(payer, receiver, "t2", 10)) // true ones go on
	i.balances(80, 20)
	i.drained()
}

// A message that leads a transfer to a partition that is not its receiver's makes no record there.
func TestXP9MessageToAThirdPartition(t *testing.T) {
	i := newBank(t, 3).start()
	homes := make(map[int32]string)
	for n := range 20 {
		account := fmt.Sprintf("c%d.main", n)
		homes[i.home(account)] = account
	}
	i.open(homes[0])
	i.open(homes[1])
	i.posted(deposit(homes[0], "d", 100))
	id := i.sent(homes[0], homes[1], "t", 10)
	i.ended(homes[0], id)
	before := i.bank.records()
	i.relayNow(news{to: 2, message: event.TransferRelayed{TransferID: id, FromAccountID: homes[0], ToAccountID: homes[2]}})
	i.open(homes[2])
	i.ended(homes[0], i.sent(homes[0], homes[2], "t2", 10))
	if got := i.bank.records(); got != before+4 { // an opening, and a transfer
		t.Errorf("records: got %d, want %d", got, before+4)
	}
	i.drained()
}

// records returns how many records the log holds.
func (b *bank) records() (n int) {
	b.t.Helper()
	b.read(func(*kgo.Record, fact) { n++ })
	return n
}

// late is a ledger that is behind, of one partition, until it is not.
type late struct {
	Ledger
	partition int32
	here      <-chan struct{}
}

func (l *late) Wait(ctx context.Context, partition int32, offset int64) error {
	if partition == l.partition {
		select {
		case <-l.here:
		case <-ctx.Done():
			return fmt.Errorf("wait: %w", ctx.Err())
		}
	}
	return l.Ledger.Wait(ctx, partition, offset)
}

// A message whose record the ledger has not come to, as after it was made anew, is kept until it has.
func TestMessagesWaitForTheLedger(t *testing.T) {
	i := apart(t, &lossy{})
	id := i.sent(payer, receiver, "t", 10)
	i.until(func() bool { return i.transferOf(payer, id) != nil })
	e, offset := i.saved(t.Context(), i.home(payer)).sentTransfer(payer, id)
	message := i.request(e, offset).message
	here := make(chan struct{})
	cfg := i.cfg // which goes on to serve
	cfg.Ledger = &late{Ledger: i.ledger, partition: i.home(payer), here: here}
	r := &relay{Server: NewServer(cfg)}
	encoder, err := i.cfg.Codec.Encoder(t.Context(), topic.Transfers, event.NameTransferRelayed)
	if err != nil {
		t.Fatal(err)
	}
	value, err := encoder.Append(nil, &message)
	if err != nil {
		t.Fatal(err)
	}
	to := i.home(receiver)
	if _, c, err := r.heed(t.Context(), to, 1, value); c != nil || !errors.Is(err, errLater) {
		t.Errorf("behind: got %v, %v, want that it is read again", c, err)
	}
	message.Offset = 1 << 40
	beyond, err := encoder.Append(nil, &message)
	if err != nil {
		t.Fatal(err)
	}
	if _, c, err := r.heed(t.Context(), to, 1, beyond); c != nil || err != nil {
		t.Errorf("beyond the log: got %v, %v, want it left out", c, err)
	}
	close(here)
	if _, c, err := r.heed(t.Context(), to, 1, value); c == nil || err != nil {
		t.Errorf("there: got %v, %v, want a command", c, err)
	}
}
