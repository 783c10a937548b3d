package creditscore

import (
	"errors"
	"strings"
	"time"

	"github.com/refold/refold/schemas/event"
	"github.com/refold/refold/schemas/money"
)

// Book is what a customer has in one currency, in minor units.
type Book struct {
	Currency     string `avro:"currency"`
	Opened       int64  `avro:"opened"` // the month of the first account
	Entries      int64  `avro:"entries"`
	BalanceMinor int64  `avro:"balance_minor"`
	LimitMinor   int64  `avro:"limit_minor"` // overdraft limits of all accounts
	SpentMinor   int64  `avro:"spent_minor"` // in the last month
	// Months are the last ones, at most twelve, oldest first. The last is that of the row's day.
	Months []Month `avro:"months"`
}

// Month is one month of a book. Low and high are those of the days that have ended.
type Month struct {
	LowMinor    int64 `avro:"low_minor"`
	HighMinor   int64 `avro:"high_minor"`
	IncomeMinor int64 `avro:"income_minor"`
	Covered     bool  `avro:"covered"` // income was 90 % of what was spent or more; set at the month's end
	Penalty     bool  `avro:"penalty"` // penalty interest was charged
}

// months is how many months are looked at.
const months = 12

// maxMinor bounds every sum of a row, so that the sums of a year fit into 64 bits.
const maxMinor = 1 << 56

var errOverflow = errors.New("a sum is larger than 2^56 minor units")

// add adds amounts that fit into a row.
func add(a, b int64) (int64, error) {
	sum, ok := money.Add(a, b)
	if !ok || sum > maxMinor || sum < -maxMinor {
		return 0, errOverflow
	}
	return sum, nil
}

const dayMicros = 24 * 60 * 60 * 1_000_000

// dayOf returns the day of a time, in days since 1970-01-01.
func dayOf(t event.Micros) int64 {
	day := int64(t) / dayMicros
	if int64(t)%dayMicros < 0 {
		day--
	}
	return day
}

// monthOf returns the month of a day, counted from January of the year 0.
func monthOf(day int64) int64 {
	year, month, _ := time.Unix(day*(dayMicros/1_000_000), 0).UTC().Date()
	return int64(year)*12 + int64(month) - 1
}

// firstOf returns the first day of a month.
func firstOf(month int64) int64 {
	return time.Date(0, time.Month(month+1), 1, 0, 0, 0, 0, time.UTC).Unix() / (dayMicros / 1_000_000)
}

// book returns the book of a currency; nil where there is none.
func (r *Row) book(currency string) *Book {
	for i := range r.Books {
		if r.Books[i].Currency == currency {
			return &r.Books[i]
		}
	}
	return nil
}

// open returns the book of a currency, a new one where there is none.
func (r *Row) open(currency string) *Book {
	if b := r.book(currency); b != nil {
		return b
	}
	r.Books = append(r.Books, Book{
		Currency: strings.Clone(currency), Opened: monthOf(r.Day), Months: []Month{{}},
	})
	return &r.Books[len(r.Books)-1]
}

// main returns the book that is scored; nil where there is none.
func (r *Row) main() *Book {
	var main *Book
	for i := range r.Books {
		if main == nil || r.Books[i].Entries > main.Entries {
			main = &r.Books[i]
		}
	}
	return main
}

// advance lets days go by up to the beginning of a day, on each of which the balances stand as they are.
func (r *Row) advance(day int64) {
	if day <= r.Day {
		return
	}
	passed := monthOf(day) - monthOf(r.Day)
	r.Day = day
	for i := range r.Books {
		r.Books[i].advance(passed)
	}
}

// advance ends the day, and months.
func (b *Book) advance(passed int64) {
	b.see()
	for range min(passed, months+1) {
		last := &b.Months[len(b.Months)-1]
		last.Covered = covers(last.IncomeMinor, b.SpentMinor)
		b.SpentMinor = 0
		if len(b.Months) == months {
			copy(b.Months, b.Months[1:])
			b.Months = b.Months[:months-1]
		}
		b.Months = append(b.Months, Month{LowMinor: b.BalanceMinor, HighMinor: b.BalanceMinor})
	}
}

// see takes the balance in as that of the end of a day.
func (b *Book) see() {
	last := &b.Months[len(b.Months)-1]
	last.LowMinor, last.HighMinor = min(last.LowMinor, b.BalanceMinor), max(last.HighMinor, b.BalanceMinor)
}

// covers tells whether an income paid for 90 % of what was spent.
func covers(income, spent int64) bool { return income >= spent-spent/10 }

func (b *Book) limit(more int64) (err error) {
	b.LimitMinor, err = add(b.LimitMinor, more)
	return err
}

// post books an amount, credit positive.
func (b *Book) post(e *posted, amount int64) error {
	last := &b.Months[len(b.Months)-1]
	var problems [2]error
	b.BalanceMinor, problems[0] = add(b.BalanceMinor, amount)
	if e.income(amount) {
		last.IncomeMinor, problems[1] = add(last.IncomeMinor, amount)
	} else {
		b.SpentMinor, problems[1] = add(b.SpentMinor, -amount)
	}
	b.Entries++
	if e.Kind == event.EntryFee && penalty(e.Category) {
		last.Penalty = true
	}
	return errors.Join(problems[0], problems[1])
}

// income tells whether an amount is income, or an income that is taken back; else it is spent, or comes
// back from what was spent.
func (e *posted) income(amount int64) bool {
	kind, credit := e.Kind, amount > 0
	if kind == event.EntryReversal {
		kind, credit = e.ReversesKind, amount < 0
	}
	switch kind {
	case event.EntryRefund, event.EntryTransferReturn:
		return false
	}
	return credit
}
