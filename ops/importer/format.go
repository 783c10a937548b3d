package importer

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/refold/refold/schemas/api/bankv1"
	"github.com/refold/refold/schemas/money"
)

// Format tells how the rows of a file are read. It is a value: get one from Lookup.
type Format struct {
	name    string
	columns []string
	kind    bankv1.AccountKind
	// post makes the command of a row from the fields of columns, in that order.
	post func(fields []string) (*bankv1.PostEntryRequest, *refusal)
}

// Name returns the name by which Lookup finds the format.
func (f Format) Name() string { return f.name }

// Names returns the names of all formats.
func Names() []string {
	var names []string
	for _, f := range formats() {
		names = append(names, f.name)
	}
	return names
}

// Lookup returns the format of a name.
func Lookup(name string) (Format, error) {
	for _, f := range formats() {
		if f.name == name {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("there is no format %q; there are %s", name, strings.Join(Names(), ", "))
}

func formats() []Format { return []Format{berka(), birmingham(), sparkov()} }

// id returns a part of an id, which must not be empty: its prefix alone would pass for an id of its own.
func id(prefix, value, column string) (string, *refusal) {
	if value == "" {
		return "", refuse(reasonMalformed, "%s is empty", column)
	}
	return prefix + value, nil
}

// badAmount says what is wrong with an amount that the money package does not take.
func badAmount(column string, err error) *refusal {
	if errors.Is(err, money.ErrCurrency) {
		return refuse(reasonCurrency, "%s", err)
	}
	return refuse(reasonAmount, "%s: %s", column, err)
}

// date reads a time of a layout, in UTC.
func date(layout, text string) (*timestamppb.Timestamp, *refusal) {
	t, err := time.Parse(layout, text)
	if err != nil {
		return nil, refuse(reasonDate, "date %q is not one of the form %s", text, layout)
	}
	return timestamppb.New(t), nil
}
