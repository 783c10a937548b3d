package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topicName = "bank.test"
	// childDir, set in the environment, makes the test binary a broker that a test can kill.
	childDir    = "REFOLD_BROKER_TEST_DIR"
	childListen = "REFOLD_BROKER_TEST_LISTEN"
	// childPlain, set as well, makes it a bare kfake.
	childPlain = "REFOLD_BROKER_TEST_PLAIN"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(serve(dir))
	}
	os.Exit(m.Run())
}

func serve(dir string) int {
	if os.Getenv(childPlain) != "" {
		c, err := plain(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(c.ListenAddrs()[0])
		select {}
	}
	b, err := Open(context.Background(), Config{Dir: dir, Listen: os.Getenv(childListen)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(b.Addr())
	fmt.Fprintln(os.Stderr, b.Wait(context.Background()))
	return 1
}

// plain opens a folder with kfake alone, which replays it as it does after a crash.
func plain(dir string) (*kfake.Cluster, error) {
	snapshots, err := filepath.Glob(filepath.Join(dir, partitionsDir, "*", snapshotFile))
	if err != nil {
		return nil, err
	}
	for _, path := range snapshots {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(dir), kfake.SyncWrites())
}

// child is a broker in a process of its own.
type child struct {
	cmd  *exec.Cmd
	addr string
}

func startChild(t testing.TB, dir, listen string, env ...string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), childDir+"="+dir, childListen+"="+listen), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd}
	t.Cleanup(c.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("start child: %v", err)
	}
	c.addr = strings.TrimSpace(line)
	return c
}

// kill ends the process with SIGKILL and waits for its end.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait() // that it was killed is no news
}

func open(t *testing.T, c Config) *Broker {
	t.Helper()
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	b, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func openError(t *testing.T, c Config) error {
	t.Helper()
	c.Listen = "127.0.0.1:0"
	b, err := Open(t.Context(), c)
	if err == nil {
		b.Close()
		t.Fatal("got no error, want one")
	}
	return err
}

func closeBroker(t *testing.T, b *Broker) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// copyDir copies a folder: what a killed process would leave of it.
func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func client(t testing.TB, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(addr),
		kgo.MetadataMinAge(10 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond }),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.DefaultProduceTopic(topicName),
		kgo.ProducerLinger(0),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func createTopic(t testing.TB, addr, name string, partitions int32) {
	t.Helper()
	adm := kadm.NewClient(client(t, addr))
	if _, err := adm.CreateTopic(t.Context(), partitions, 1, nil, name); err != nil {
		t.Fatal(err)
	}
}

func record(partition int32, value string) *kgo.Record {
	return &kgo.Record{Partition: partition, Value: []byte(value)}
}

// produce writes each value as a batch of its own.
func produce(t *testing.T, cl *kgo.Client, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := cl.ProduceSync(t.Context(), record(0, v)).FirstErr(); err != nil {
			t.Fatalf("produce %s: %v", v, err)
		}
	}
}

func begin(t testing.TB, cl *kgo.Client) {
	t.Helper()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
}

func commit(t testing.TB, cl *kgo.Client) {
	t.Helper()
	if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
}

// committed returns the values of a partition that readers of committed records see.
func committed(t *testing.T, addr string, partition int32) []string {
	t.Helper()
	return values(t, addr, partition, kgo.ReadCommitted())
}

// uncommitted returns all values of a partition.
func uncommitted(t *testing.T, addr string, partition int32) []string {
	t.Helper()
	return values(t, addr, partition, kgo.ReadUncommitted())
}

func values(t *testing.T, addr string, partition int32, isolation kgo.IsolationLevel) []string {
	t.Helper()
	start, end := logEnds(t, addr, partition)
	cl := client(t, addr, kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topicName: {partition: kgo.NewOffset().At(start)}}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []string
	for at := start; at < end; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s/%d at %d of %d: %v", topicName, partition, at, end, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			if !r.Attrs.IsControl() {
				got = append(got, string(r.Value))
			}
		})
	}
	return got
}

func logEnds(t *testing.T, addr string, partition int32) (start, end int64) {
	t.Helper()
	adm := kadm.NewClient(client(t, addr))
	starts, err := adm.ListStartOffsets(t.Context(), topicName)
	ends, err2 := adm.ListEndOffsets(t.Context(), topicName)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	s, _ := starts.Lookup(topicName, partition)
	e, _ := ends.Lookup(topicName, partition)
	return s.Offset, e.Offset
}

func wantValues(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually calls f until it is true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}

// tree returns all files of a folder with their bytes.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[name] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// setPromised makes this the end that was promised of a partition of the topic that the tests write to, as a crash
// before an answer leaves it.
func setPromised(t *testing.T, dir string, partition int32, end int64) {
	t.Helper()
	topics, err := readTopics(dir)
	must(t, err)
	e, err := readEnds(dir)
	must(t, err)
	for _, topic := range topics {
		if topic.Name == topicName {
			e.partitions[topic.id()][partition] = end
		}
	}
	w, err := writeEnds(dir, e)
	must(t, err)
	must(t, w.close())
}

func partitionFile(dir string, partition int32, name string) string {
	return filepath.Join(partitionDir(dir, topicName, partition), name)
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func writeFile(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}
