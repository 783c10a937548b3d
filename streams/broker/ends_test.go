package broker

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestEndsComeBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := ends{partitions: map[[16]byte][]int64{{1}: {5, 0, 7}}, producers: 9, groups: 11}
	w, err := writeEnds(dir, want)
	must(t, err)
	defer w.close()
	check := func() {
		t.Helper()
		if got, err := readEnds(dir); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, %v, want %v", got, err, want)
		}
	}
	check()
	for i := range 5 {
		want.partitions[[16]byte{byte(i)}] = make([]int64, 300*i) // soon more than a slot holds
		must(t, w.save(want))
		check()
	}
	// A slot that is torn leaves what was saved before it.
	before := ends{partitions: map[[16]byte][]int64{{1}: {1}}}
	must(t, w.save(before))
	must(t, w.save(want))
	path := filepath.Join(dir, endsFile)
	raw := readFile(t, path)
	raw[int64(w.number%2)*w.slot+30] ^= 0xff
	writeFile(t, path, raw)
	want = before
	check()
	raw[int64((w.number+1)%2)*w.slot+30] ^= 0xff
	writeFile(t, path, raw)
	var damage *DamageError
	if _, err := readEnds(dir); !errors.As(err, &damage) {
		t.Errorf("got %v, want a DamageError", err)
	}
}

// After a loss of power there is all that was promised, and of what was written after it any mixture: whatever it is,
// the broker opens, and every record that was acknowledged is there.
func TestOpenAfterALossOfPower(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	createTopic(t, b.Addr(), topicName, 1)
	cl := client(t, b.Addr(), kgo.TransactionalID("t"))
	write := func(from, to int) (values []string) {
		for i := from; i < to; i++ {
			values = append(values, fmt.Sprintf("%03d", i))
			begin(t, cl)
			produce(t, cl, values[len(values)-1])
			commit(t, cl)
		}
		return values
	}
	acknowledged := write(0, 10)
	promised := readFile(t, filepath.Join(dir, endsFile))
	write(10, 20)
	later := copyDir(t, dir)
	writeFile(t, filepath.Join(later, endsFile), promised)
	e, err := readEnds(later)
	must(t, err)
	topics, err := readTopics(later)
	must(t, err)
	if got := e.of(topics[0].id(), 0); got != 20 {
		t.Fatalf("the end is %d when ten records and ten markers have been acknowledged, want 20", got)
	}
	data, index := promisedBytes(t, later, 20)
	for seed := range uint64(60) {
		lost := copyDir(t, later)
		r := rand.New(rand.NewPCG(seed, 1))
		lose(t, r, partitionFile(lost, 0, "0.dat"), data)
		lose(t, r, partitionFile(lost, 0, "0.idx"), index)
		lose(t, r, filepath.Join(lost, producersFile), e.producers)
		b, err := Open(t.Context(), Config{Dir: lost, Listen: "127.0.0.1:0"})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		got := committed(t, b.Addr(), 0)
		if len(got) < len(acknowledged) || len(got) > 20 {
			t.Errorf("seed %d: got %q, want at least the ten that were acknowledged", seed, got)
		}
		for i, v := range got {
			if v != fmt.Sprintf("%03d", i) {
				t.Errorf("seed %d: got %q at %d", seed, v, i)
			}
		}
		must(t, b.Close())
	}
}

// promisedBytes returns where in the files of the only partition the batches before an offset end.
func promisedBytes(t *testing.T, dir string, end int64) (data, index int64) {
	t.Helper()
	s, err := openSegment(partitionDir(dir, topicName, 0), 0)
	must(t, err)
	defer s.data.Close()
	for n := int64(0); ; n++ {
		at := s.at
		b, problem, err := s.next()
		if errors.Is(err, io.EOF) || problem != "" {
			t.Fatalf("%s, %v before what was promised", problem, err)
		}
		if b.FirstOffset == end {
			return at, n * entrySize
		}
	}
}

// lose makes of what follows a place of a file what may be there after a loss of power: less, blanks, or anything.
func lose(t *testing.T, r *rand.Rand, path string, from int64) {
	t.Helper()
	raw := readFile(t, path)
	rest := raw[from:]
	switch cut := r.IntN(len(rest) + 1); r.IntN(4) {
	case 0:
		raw = raw[:from+int64(cut)]
	case 1:
		clear(rest[cut:])
	case 2:
		clear(rest[:cut])
	case 3:
		if cut < len(rest) {
			rest[cut] ^= byte(1 + r.IntN(255))
		}
	}
	must(t, os.WriteFile(path, raw, 0o644))
}
