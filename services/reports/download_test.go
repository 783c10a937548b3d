package reports_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/services/query"
	"github.com/refold/refold/services/reports"
)

// A statement as a file: with its running balance, and without a formula in it.
func TestDownloadStatement(t *testing.T) {
	b := newBank(t)
	at := func(day int) time.Time { return time.Date(2014, 1, day, 12, 0, 0, 0, time.UTC) }
	paid := b.posted("c1.main", at(3), event.EntryDeposit, "", 250)
	shop := b.posted("c1.main", at(2), event.EntryCardPurchase, "+food", -100)
	shop.Merchant = `=HYPERLINK("http://x"),"a, b"`
	seen := b.commit(opened("c1.main", event.AccountCard), paid, shop)
	ask := &bankv1.DownloadStatementRequest{AccountId: "c1.main", MinPosition: seen}
	got, err := b.server.DownloadStatement(t.Context(), ask)
	if err != nil || got.GetContentType() != "text/csv; charset=utf-8" {
		t.Fatalf("got %v, %v", got, err)
	}
	want := `occurred_at,kind,merchant,category,currency,amount_minor,balance_minor,balance_as_recorded_minor,recorded_at,event_id,reverses
2014-01-02T12:00:00Z,CARD_PURCHASE,"'=HYPERLINK(""http://x""),""a, b""",'+food,EUR,-100,-100,150,1970-01-01T00:00:07Z,c1.main,
2014-01-03T12:00:00Z,DEPOSIT,the shop,,EUR,250,150,250,1970-01-01T00:00:07Z,c1.main,
`
	if string(got.GetData()) != want {
		t.Errorf("got\n%swant\n%s", got.GetData(), want)
	}
	ask.From = timestamppb.New(at(3))
	if got, err := b.server.DownloadStatement(t.Context(), ask); err != nil || strings.Count(string(got.GetData()), "\n") != 2 || !strings.Contains(string(got.GetData()), ",250,150,") {
		t.Errorf("got %s, %v, want one line that goes on from the balance before it", got.GetData(), err)
	}
	_, err = b.server.DownloadStatement(t.Context(), &bankv1.DownloadStatementRequest{AccountId: "c1.none", MinPosition: seen})
	refused(t, err, codes.NotFound, reports.ReasonAccountNotFound)
	_, err = b.server.DownloadStatementParquet(t.Context(), &bankv1.DownloadStatementRequest{AccountId: "c1.none", MinPosition: seen})
	refused(t, err, codes.NotFound, reports.ReasonAccountNotFound)
	ask.From = nil
	type line struct {
		OccurredAt int64  `parquet:"occurred_at,timestamp(microsecond)"`
		Merchant   string `parquet:"merchant"`
		Category   string `parquet:"category"`
		Amount     int64  `parquet:"amount_minor"`
		Balance    int64  `parquet:"balance_minor"`
	}
	typed, err := b.server.DownloadStatementParquet(t.Context(), ask)
	if err != nil || typed.GetContentType() != "application/vnd.apache.parquet" {
		t.Fatalf("got %v, %v", typed.GetContentType(), err)
	}
	// As it was recorded: no spreadsheet takes a text of Parquet for a formula.
	lines := []line{{at(2).UnixMicro(), shop.Merchant, "+food", -100, -100}, {at(3).UnixMicro(), "the shop", "", 250, 150}}
	if got := parquetLines[line](t, typed); !slices.Equal(got, lines) {
		t.Errorf("got %v, want %v", got, lines)
	}
}

func TestDownloadIsBounded(t *testing.T) {
	b := newBank(t)
	facts := []any{opened("c1.main", event.AccountCard)}
	for day := range 40 {
		e := b.posted("c1.main", time.Date(2014, 1, 1+day, 0, 0, 0, 0, time.UTC), event.EntryCardPurchase, "food", -1)
		e.Merchant = strings.Repeat("m", 100_000)
		facts = append(facts, e)
	}
	ask := &bankv1.DownloadStatementRequest{AccountId: "c1.main", MinPosition: b.commit(facts...)}
	_, err := b.server.DownloadStatement(t.Context(), ask)
	refused(t, err, codes.InvalidArgument, query.ReasonMalformed)
	_, err = b.server.DownloadStatementParquet(t.Context(), ask)
	refused(t, err, codes.InvalidArgument, query.ReasonMalformed)
	ask.To = timestamppb.New(time.Date(2014, 1, 31, 0, 0, 0, 0, time.UTC))
	if got, err := b.server.DownloadStatement(t.Context(), ask); err != nil || len(got.GetData()) < 3_000_000 {
		t.Errorf("got %d bytes, %v", len(got.GetData()), err)
	}
}

// parquetLines reads a file.
func parquetLines[L any](t *testing.T, file *httpbody.HttpBody) []L {
	t.Helper()
	lines, err := parquet.Read[L](bytes.NewReader(file.GetData()), int64(len(file.GetData())))
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestDownloadSpending(t *testing.T) {
	b := newBank(t)
	at := time.Date(2014, 1, 15, 0, 0, 0, 0, time.UTC)
	seen := b.commit(opened("c1.main", event.AccountCard), b.posted("c1.main", at, event.EntryCardPurchase, "food", -100),
		b.posted("c1.main", at, event.EntrySalary, "", 900), b.posted("c1.main", at.AddDate(0, 1, 0), event.EntryRefund, "food", 30))
	got, err := b.server.DownloadSpending(t.Context(), &bankv1.GetSpendingRequest{CustomerId: "c1", MinPosition: seen})
	if err != nil {
		t.Fatal(err)
	}
	want := `month,category,currency,spent_minor,entries
2014-01,groceries,EUR,100,1
2014-01,income,EUR,-900,
2014-02,groceries,EUR,-30,1
`
	if string(got.GetData()) != want {
		t.Errorf("got\n%swant\n%s", got.GetData(), want)
	}
	typed, err := b.server.DownloadSpendingParquet(t.Context(), &bankv1.GetSpendingRequest{CustomerId: "c1", MinPosition: seen})
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		Month    string `parquet:"month"`
		Category string `parquet:"category"`
		Spent    int64  `parquet:"spent_minor"`
		Entries  *int64 `parquet:"entries,optional"`
	}
	lines := parquetLines[line](t, typed)
	if len(lines) != 3 || lines[0].Entries == nil || *lines[0].Entries != 1 || lines[1].Category != "income" || lines[1].Spent != -900 || lines[1].Entries != nil || lines[2].Month != "2014-02" {
		t.Errorf("got %+v", lines)
	}
}
