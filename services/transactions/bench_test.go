package transactions

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/streams/journal"
	"github.com/refold/refold/streams/topic"
)

// benched is an instance with the default number of partitions and an account for each of many customers.
func benched(b *testing.B) (*instance, []string) {
	b.Helper()
	i := newBank(b, topic.DefaultPartitions).start(func(c *journal.Config[*Command, Outcome]) {
		c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}).serving(topic.DefaultPartitions)
	i.bank.spoiled = true // the log is not verified: that is not what is measured
	accounts := make([]string, 600)
	var commands []*bankv1.Command
	for n := range accounts {
		accounts[n] = fmt.Sprintf("c%d.main", n)
		commands = append(commands, opening(uint64(n), accounts[n]))
	}
	exchange(b, i.submitTo(), 1000, commands)
	return i, accounts
}

// BenchmarkSubmit256 is 256 callers who each wait for their answer.
func BenchmarkSubmit256(b *testing.B) {
	i, accounts := benched(b)
	commands := prepared(b, accounts)
	before := i.batches()
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 256 {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < int64(b.N); n = next.Add(1) - 1 {
				c := commands[n]
				if _, err := i.cfg.Journal.Submit(b.Context(), i.partition(c.customer), c); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	i.told(b, before)
}

// BenchmarkEnqueue is one caller who does not wait, with as many commands under way as a stream may have.
func BenchmarkEnqueue(b *testing.B) {
	i, accounts := benched(b)
	commands := prepared(b, accounts)
	before := i.batches()
	b.ResetTimer()
	room := make(chan struct{}, maxInFlight)
	for _, c := range commands {
		room <- struct{}{}
		err := i.cfg.Journal.Enqueue(i.partition(c.customer), c, func(_ Outcome, err error) {
			if err != nil {
				b.Error(err)
			}
			<-room
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for range maxInFlight {
		room <- struct{}{}
	}
	i.told(b, before)
}

// BenchmarkSubmitStream is one Submit over gRPC in memory.
func BenchmarkSubmitStream(b *testing.B) {
	i, accounts := benched(b)
	commands := make([]*bankv1.Command, b.N)
	for n := range commands {
		commands[n] = posting(uint64(n), deposit(accounts[n%len(accounts)], fmt.Sprint("k", n), 1))
	}
	before := i.batches()
	b.ResetTimer()
	exchange(b, i.submitTo(), 1000, commands)
	i.told(b, before)
}

func prepared(b *testing.B, accounts []string) []*Command {
	b.Helper()
	commands := make([]*Command, b.N)
	for n := range commands {
		commands[n] = made(b, deposit(accounts[n%len(accounts)], fmt.Sprint("k", n), 1))
	}
	return commands
}

func (i *instance) batches() int64 {
	var n int64
	for _, s := range i.cfg.Journal.Status() {
		n += s.Batches
	}
	return n
}

// told reports the rate and the size of the batches.
func (i *instance) told(b *testing.B, before int64) {
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
	b.ReportMetric(float64(b.N)/float64(max(i.batches()-before, 1)), "commands/batch")
}
