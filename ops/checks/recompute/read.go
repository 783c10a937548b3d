package main

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// row is one transaction as a file has it.
type row struct {
	customer, account string
	currency          string
	words             string // what it was for
	at                time.Time
	minor             int64 // in minor units, what the customer gets positive
	income            bool
	fallback          string // the category where the words say none, "" where they must
	buys              bool   // a purchase, or its refund
}

// read reads a file, compressed or not.
func read(in io.Reader, format string) ([]row, error) {
	b := bufio.NewReader(in)
	in = b
	if magic, err := b.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, err
		}
		in = z
	}
	records, err := csv.NewReader(in).ReadAll()
	if err != nil {
		return nil, err
	}
	var of func(map[string]string) (row, error)
	switch format {
	case "birmingham":
		of = birmingham
	case "sparkov":
		of = sparkov
	case "berka":
		of = berka
	default:
		return nil, fmt.Errorf("there is no format %q", format)
	}
	var out []row
	fields := make(map[string]string)
	for n, record := range records[1:] {
		for i, name := range records[0] {
			fields[name] = record[i]
		}
		r, err := of(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+2, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func birmingham(f map[string]string) (row, error) {
	minor, wrong := strconv.ParseInt(f["amount_minor"], 10, 64)
	at, bad := time.Parse(time.DateOnly, f["trans_date"])
	customer := "bcc-" + f["card_last4"]
	return row{
		customer: customer, account: customer + ".card", currency: f["currency"], words: f["category"],
		at: at, minor: -minor, buys: true,
	}, errors.Join(wrong, bad)
}

func sparkov(f map[string]string) (row, error) {
	whole, cents, _ := strings.Cut(f["amount_usd"], ".")
	minor, wrong := strconv.ParseInt(whole+(cents + "00")[:2], 10, 64)
	at, bad := time.Parse(time.RFC3339, f["ts_utc"])
	customer := "sparkov-" + f["acct_num"]
	return row{
		customer: customer, account: customer + ".card", currency: "USD", words: f["category"],
		at: at, minor: -minor, buys: true,
	}, errors.Join(wrong, bad)
}

func berka(f map[string]string) (row, error) {
	minor, wrong := strconv.ParseInt(f["amount_minor"], 10, 64)
	at, bad := time.Parse(time.DateOnly, f["date"])
	customer := "berka-" + f["account_id"]
	r := row{customer: customer, account: customer + ".current", currency: "CZK", words: f["purpose"], at: at, minor: minor}
	if r.words == "" {
		r.words = f["operation"]
	}
	switch {
	case f["direction"] == "credit":
		r.income = true
	case f["purpose"] == "statement_fee" || f["purpose"] == "sanction_interest":
		r.minor, r.fallback = -minor, "fees"
	default:
		r.minor, r.fallback = -minor, "withdrawals"
	}
	return r, errors.Join(wrong, bad)
}
