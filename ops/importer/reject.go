package importer

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// rejects writes the rows that are not in the bank to a file, each as it is rejected: line number in the
// imported file, reason, detail and the row as it stood there. One goroutine owns it.
type rejects struct {
	path   string
	source string
	file   *os.File
	writer *csv.Writer
}

// rejectsName returns the default path of the rejects file for an imported file.
func rejectsName(source string) string {
	base := strings.TrimSuffix(filepath.Base(source), ".gz")
	return strings.TrimSuffix(base, ".csv") + ".rejects.csv"
}

func (r *rejects) add(rejected row, why *refusal) error {
	if err := r.create(); err != nil {
		return err
	}
	err := r.write(strconv.Itoa(rejected.line), why.reason, why.detail, rejected.raw)
	if err != nil {
		return fmt.Errorf("reject line %d (%s: %s): %w", rejected.line, why.reason, why.detail, err)
	}
	return nil
}

// create makes the file at the first row, unless its path is that of the imported file.
func (r *rejects) create() error {
	if r.file != nil {
		return nil
	}
	imported, err := os.Stat(r.source)
	if there, errThere := os.Stat(r.path); err == nil && errThere == nil && os.SameFile(imported, there) {
		return fmt.Errorf("create rejects file %s: it is the file that is imported", r.path)
	}
	if r.file, err = os.Create(r.path); err != nil {
		return fmt.Errorf("create rejects file: %w", err)
	}
	r.writer = csv.NewWriter(r.file)
	return r.write("line", "reason", "detail", "row")
}

func (r *rejects) write(fields ...string) error {
	return errors.Join(r.writer.Write(fields), r.flush())
}

func (r *rejects) flush() error {
	r.writer.Flush()
	return r.writer.Error()
}

// name returns the path of the file, or "" where none was made.
func (r *rejects) name() string {
	if r.file == nil {
		return ""
	}
	return r.path
}

func (r *rejects) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
