package importer

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/refold/refold/schemas/api/bankv1"
)

const berkaHeader = "account_id,trans_id,date,direction,operation,purpose,amount_minor\n"

func berkaFile(t *testing.T, rows string) (format Format, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "transactions.csv")
	if err := os.WriteFile(file, []byte(berkaHeader+rows), 0o644); err != nil {
		t.Fatal(err)
	}
	return berka(), file
}

func TestReadOpensBeforeItPosts(t *testing.T) {
	format, file := berkaFile(t, "7,1,1996-01-02,credit,cash_deposit,,100\n8,2,1996-01-03,debit,cash_withdrawal,,5\n7,3,1996-01-04,debit,cash_withdrawal,sanction_interest,2\n")
	var got []string
	err := Read(format, file, func(c *bankv1.Command) error {
		if o := c.GetOpenAccount(); o != nil {
			got = append(got, "open "+o.AccountId)
			return nil
		}
		got = append(got, c.GetPostEntry().IdempotencyKey+" "+c.GetPostEntry().Category)
		return nil
	})
	want := []string{"open berka-7.current", "trans-1 cash_deposit", "open berka-8.current", "trans-2 cash_withdrawal", "trans-3 sanction_interest"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestReadStops(t *testing.T) {
	format, file := berkaFile(t, "7,1,1996-01-02,credit,cash_deposit,,100\n7,2,never,credit,cash_deposit,,100\n")
	if err := Read(format, file, func(*bankv1.Command) error { return nil }); err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("got %v, want that of line 3", err)
	}
	enough := errors.New("enough")
	if err := Read(format, file, func(*bankv1.Command) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v, want that of the function", err)
	}
	if err := Read(format, file+".gone", func(*bankv1.Command) error { return nil }); err == nil {
		t.Error("got no error of a file that is not there")
	}
}
