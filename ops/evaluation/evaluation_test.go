package evaluation_test

import (
	"cmp"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/refold/refold/ops/evaluation"
)

// folder returns where the files of the PKDD'99 challenge are: below REFOLD_DATA, or beside the checkout.
func folder(t *testing.T) string {
	t.Helper()
	path := filepath.Join(cmp.Or(os.Getenv("REFOLD_DATA"), "../../../shared/data"), "berka")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("THE CREDIT SCORE IS NOT JUDGED: the data folder is not here (set REFOLD_DATA): %v", err)
	}
	return path
}

func TestTheScoreForetellsHowLoansEnd(t *testing.T) {
	cases, err := evaluation.Read(t.Context(), folder(t))
	if err != nil {
		t.Fatal(err)
	}
	r, err := evaluation.Judge(cases, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("AUC %.3f, %.3f to %.3f; in folds %.3f ± %.3f, with points learnt from the others %.3f ± %.3f",
		r.AUC, r.Low, r.High, r.Fixed.Mean, r.Fixed.Deviation, r.Learnt.Mean, r.Learnt.Deviation)
	if r.Good != 162 || r.Bad != 15 || r.AUC < 0.92 || r.Learnt.Mean < 0.90 {
		t.Errorf("got %d good and %d bad, AUC %.3f, learnt %.3f, want 162, 15, at least 0.92 and 0.90", r.Good, r.Bad, r.AUC, r.Learnt.Mean)
	}
	for _, f := range r.Factors {
		if f.Alone > r.AUC {
			t.Errorf("%s alone foretells better (%.3f) than the score", f.Name, f.Alone)
		}
	}
	if again, err := evaluation.Judge(cases, 1); err != nil || !reflect.DeepEqual(again, r) {
		t.Errorf("got %+v of the same seed, %v, want %+v", again, err, r)
	}
}
