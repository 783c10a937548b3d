package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/refold/refold/projections/projection"
	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/streams/topic"
)

func TestMain(m *testing.M) { Main(m) }

// row is what the folds of these tests fold into.
type row struct {
	Count   int64  `avro:"count"`
	Last    string `avro:"last"`
	unsaved int64
}

// posted are the fields that they read.
type posted struct {
	Customer string `avro:"customer_id"`
	Merchant string `avro:"merchant"`
}

// outside is what a fold must not have: something that it keeps beside its rows.
type outside struct {
	merchant string
	largest  int64
}

// folds are a good one and bad ones, and the ways in which the bad ones must be found.
func folds() map[string]struct {
	fold  func(*outside, *row, *posted)
	found []string
} {
	type entry = struct {
		fold  func(*outside, *row, *posted)
		found []string
	}
	count := func(_ *outside, r *row, e *posted) { r.Count++; r.Last = strings.Clone(e.Merchant) }
	return map[string]entry{
		"is pure": {fold: count},
		"draws a random number": {
			func(_ *outside, r *row, _ *posted) { r.Count += rand.Int64N(1 << 40) },
			[]string{"one by one", "twice", "a crash at every record", "a stop at every record", "two instances", "beside another task"},
		},
		"depends on where batches end": {func(_ *outside, r *row, e *posted) {
			if r.Last == e.Merchant { // what is kept of a record is gone when its batch is
				r.Count++
			}
			r.Last = e.Merchant
		}, []string{"one by one", "a stop at every record", "two instances", "records that stay as they are"}},
		"keeps a string of a record": {
			func(_ *outside, r *row, e *posted) { r.Last = e.Merchant },
			[]string{"records that stay as they are"},
		},
		"keeps a count that is not saved": {
			func(_ *outside, r *row, _ *posted) { r.unsaved++; r.Count = r.unsaved },
			[]string{"a stop at every record", "two instances"},
		},
		"keeps a count outside its row": {
			func(o *outside, r *row, _ *posted) { o.largest++; r.Count = o.largest },
			[]string{"one by one", "two instances", "beside another task"},
		},
		"remembers the record before": {func(o *outside, r *row, e *posted) {
			if o.merchant != e.Merchant {
				r.Count++
			}
			o.merchant = strings.Clone(e.Merchant)
		}, []string{"beside another task"}},
	}
}

// badFold names, in the environment, the fold that TestFold runs.
const badFold = "REFOLD_HARNESS_FOLD"

// TestFold is run by TestBadFolds, as a process of its own whose failure is what is wanted.
func TestFold(t *testing.T) {
	name := os.Getenv(badFold)
	if name == "" {
		t.Skip("it is run by TestBadFolds")
	}
	o := new(outside)
	d := projection.MustDefine("test", 1, projection.On(topic.Transactions, event.NameEntryPosted,
		func(e *posted, k *projection.Keys) { k.Add(e.Customer, "") },
		func(_ projection.Key, r *row, e *posted, _ projection.Meta) error {
			folds()[name].fold(o, r, e)
			return nil
		}))
	var events strings.Builder
	for i := range 8 {
		fmt.Fprintf(&events, "bank.EntryPosted {\"customer_id\": \"customer-%d\", \"kind\": \"CARD_PURCHASE\", \"merchant\": \"shop-%d\", \"legs\": []}\n", i%2, i/4)
	}
	c := codec.New(new(codec.Local))
	Run(t, d, c, parse(t, c, func(string) string { return topic.Transactions }, events.String()))
}

// TestBadFolds shows that a fold that is not a function of its row and its event does not come through.
func TestBadFolds(t *testing.T) {
	for name, f := range folds() {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFold$", "-test.v")
			cmd.Env = append(os.Environ(), badFold+"="+name)
			out, err := cmd.CombinedOutput()
			if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
				t.Fatal(err)
			}
			if good := len(f.found) == 0; good != (err == nil) {
				t.Fatalf("got %v of\n%s", err, out)
			}
			missed := slices.DeleteFunc(slices.Clone(f.found), func(way string) bool {
				return strings.Contains(string(out), "--- FAIL: TestFold/"+strings.ReplaceAll(way, " ", "_")+" ")
			})
			if len(missed) > 0 {
				t.Errorf("not found by %q:\n%s", missed, out)
			}
		})
	}
}
