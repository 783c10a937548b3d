package cassandra

import (
	"errors"
	"testing"
	"time"
)

// A range over the rows of one partition key reads one bucket, and any other all of them.
func TestSpanOfOneBucket(t *testing.T) {
	for _, test := range []struct {
		from, to string
		one      bool
	}{
		{"a\x00", "a\x01", true},
		{"a\x00b", "a\x00c", true},
		{"a\x00b", "a\x01\x00", false},
		{"a\x00b", "b\x00", false},
		{"a", "a\x01", false},
	} {
		bucket, one := span{[]byte(test.from), []byte(test.to)}.bucket()
		if one != test.one || one && bucket != bucketOf([]byte("a\x00any")) {
			t.Errorf("from %q to %q: got bucket %d, %t", test.from, test.to, bucket, one)
		}
	}
	if _, one := (span{from: []byte("a\x00")}).bucket(); one {
		t.Error("a range without an end is taken for one bucket")
	}
}

// The window opens while batches come back in time, up to a bound, and closes where they do not, once for all that
// were under way.
func TestWindow(t *testing.T) {
	w := newWindow()
	now := time.Unix(0, 0)
	for range 10_000 {
		w.tried(inTime/2, nil, now)
	}
	if w.size != widest {
		t.Errorf("got %v, want it as wide as %d", w.size, widest)
	}
	for range 20 {
		w.tried(2*inTime, nil, now.Add(time.Hour))
	}
	if w.size != widest/2 {
		t.Errorf("got %v, want %d", w.size, widest/2)
	}
	for i := range 20 {
		w.tried(0, errors.New("overloaded"), now.Add(time.Duration(2+i)*time.Hour))
	}
	if w.size != 1 {
		t.Errorf("got %v, want one batch at a time", w.size)
	}
	w.enter()
	entered := make(chan struct{})
	go func() {
		w.enter()
		close(entered)
	}()
	select {
	case <-entered:
		t.Error("two are under way where there is room for one")
	default:
	}
	w.leave()
	<-entered
}
