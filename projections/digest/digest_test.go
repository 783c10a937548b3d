package digest

import (
	"fmt"
	"testing"
)

func filled(change func(i int, key, value []byte) ([]byte, []byte)) [Buckets]Sum {
	var t Task
	for i := range 1000 {
		key, value := []byte(fmt.Sprintf("key %04d", i)), []byte(fmt.Sprintf("value %d", i))
		if change != nil {
			key, value = change(i, key, value)
		}
		t.Add(key, value)
	}
	return t.Sums()
}

func TestAChangedRowChangesItsBucketAlone(t *testing.T) {
	want := filled(nil)
	if filled(nil) != want {
		t.Error("the same rows have other digests")
	}
	changed := Bucket([]byte("key 0500"))
	for name, got := range map[string][Buckets]Sum{
		"another value": filled(func(i int, k, v []byte) ([]byte, []byte) {
			if i == 500 {
				v[0]++
			}
			return k, v
		}),
		"a border moved": filled(func(i int, k, v []byte) ([]byte, []byte) {
			if i == 500 {
				v = append(v, 0)
			}
			return k, v
		}),
	} {
		for b := range Buckets {
			if same := got[b] == want[b]; same == (b == changed) {
				t.Errorf("%s: bucket %d is the same: %t", name, b, same)
			}
		}
	}
}

func TestWhatIsInNoBucketIsZero(t *testing.T) {
	var one Task
	one.Add([]byte("a"), nil)
	for b, sum := range one.Sums() {
		if empty := sum == (Sum{}); empty == (b == Bucket([]byte("a"))) {
			t.Errorf("bucket %d is empty: %t", b, empty)
		}
	}
	if one.Rows() != 1 {
		t.Errorf("got %d rows, want 1", one.Rows())
	}
}
