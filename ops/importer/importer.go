// Package importer brings files of transactions into the bank, as a client of its public API.
//
// An import is safe to run again, whole or after it was stopped at any point: the idempotency key of a
// command comes from the row's own id, so that a row which is already in the bank is answered with the
// record of the first time, and counted as replayed.
//
// A file is CSV, plain or compressed with gzip, with one row a line and a header that names the columns in
// any order; columns that a format does not read are ignored. This is how the formats are read:
//
//	              birmingham             sparkov                  berka
//	account       bcc-<card_last4>.card  sparkov-<acct_num>.card  berka-<account_id>.current
//	account kind  CARD                   CARD                     CURRENT
//	key           txn_id                 trans_num                trans-<trans_id>
//	currency      currency               USD                      CZK
//	amount        amount_minor, whole    amount_usd, decimal      amount_minor, whole
//	              minor units            text of dollars          minor units
//	kind          CARD_PURCHASE; below   CARD_PURCHASE            credit: INTEREST where purpose is
//	              zero REFUND                                     interest_credited, else DEPOSIT;
//	                                                              debit: FEE where purpose is
//	                                                              statement_fee or sanction_interest,
//	                                                              else WITHDRAWAL
//	merchant      merchant               merchant                 none
//	category      category               category                 purpose, or operation where empty
//	occurred at   trans_date, 00:00 UTC  ts_utc                   date, 00:00 UTC
//
// The customer is the part of the account id before its dot. Every command is historical: what an import
// brings is not news. An account is opened, under the key "open" and at the time of its first row, before
// any of its rows is sent. Its overdraft limit is 10^12 minor units, because an import is of facts that a
// bank elsewhere allowed. That the server refuses the opening, as it does where another file opened the
// account at another time, is not an error: the rows of the account tell whether it is there.
//
// Rows of an account are posted in the order of the file. Only where the bank says that it is unavailable
// for a row, rows of the account that were on their way already may come before it; sums are the same.
//
// A row that cannot be read, and a row that the server rejects, goes to the rejects file, and the import
// goes on. Nothing is cut, rounded or guessed to make a row fit.
package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/refold/refold/schemas/api/bankv1"
)

// Bounds of Config.Batch. The upper one keeps a message below the 4 MiB that a gRPC server takes, whatever
// rows it holds.
const (
	defaultBatch = 500
	maxBatch     = 2000
)

const (
	defaultInFlight = 8
	defaultPatience = time.Minute
)

// Config says what to import and how.
type Config struct {
	// Client is where commands are sent. Required.
	Client bankv1.TransactionsServiceClient
	// Format tells how rows are read. Required; see Lookup.
	Format Format
	// File is the path of the file, and its name in errors. Whether it is compressed is seen by its content.
	File string
	// Source, where it is set, is read instead of opening File, which then is only a name. It is not closed.
	Source io.Reader
	// Size is the number of bytes of Source, for the progress; 0 where it is unknown.
	Size int64
	// Rejects is the path of the rejects file. The default is the base name of File, without .csv and .gz,
	// with .rejects.csv, in the current folder. The file is created with the first row that is rejected,
	// and then replaces the one of an earlier import.
	Rejects string
	// Progress, where it is set, is told how far the import is, at most ten times a second and once at its
	// end. It is called from the goroutine that called Run, which waits for it.
	Progress func(Progress)
	// Batch is the largest number of commands in a message: 500 by default, at most 2000.
	Batch int
	// InFlight is how many batches of rows are read ahead of their answers, 8 by default. It bounds the
	// memory of an import.
	InFlight int
	// Patience is for how long the server may give no answer at all, be it that it cannot be reached, that
	// it says it is unavailable or that it is silent, before the import gives up: 60 seconds by default.
	Patience time.Duration
}

// Run imports a file, and blocks until every row has got its answer.
//
// Where the bank is unavailable or the stream to it breaks, all commands without a final answer are sent
// again, in the order of their rows, for as long as Config.Patience says. Run returns an error where the
// file cannot be read to its end, after all rows before that place were answered, where the rejects file
// cannot be written, where the bank refuses the caller or stays away, and where ctx ends. The summary is
// true also then, and the same import can be run again. Rejected rows are not an error: they are counted.
func Run(ctx context.Context, c Config) (Summary, error) {
	if err := c.complete(); err != nil {
		return Summary{}, fmt.Errorf("import %s: %w", c.File, err)
	}
	src, err := openSource(&c)
	if err != nil {
		return Summary{}, fmt.Errorf("import %s: %w", c.File, err)
	}
	d := newDelivery(&c, src.total)
	blocks, stop := src.start(c.Batch)
	d.blocks = blocks
	err = d.run(ctx)
	err = errors.Join(err, stop(), d.rejects.close())
	if err != nil {
		err = fmt.Errorf("import %s: %w", c.File, err)
	}
	return d.summary(), err
}

// complete checks a config and puts the defaults in.
func (c *Config) complete() error {
	if c.Client == nil || c.Format.post == nil {
		return errors.New("a client and a format are needed")
	}
	if c.Batch < 0 || c.Batch > maxBatch || c.InFlight < 0 || c.Patience < 0 {
		return fmt.Errorf("batch is %d (at most %d), in flight %d, patience %s", c.Batch, maxBatch, c.InFlight, c.Patience)
	}
	if c.Batch == 0 {
		c.Batch = defaultBatch
	}
	if c.InFlight == 0 {
		c.InFlight = defaultInFlight
	}
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	if c.Rejects == "" {
		c.Rejects = rejectsName(c.File)
	}
	return nil
}
