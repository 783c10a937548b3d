package cassandra

import (
	"errors"
	"reflect"
	"testing"
)

func TestParse(t *testing.T) {
	got, err := Parse("cassandra://one:9042,two:9043/bank_rows?replicas=3")
	if err != nil {
		t.Fatal(err)
	}
	if want := (Config{Hosts: []string{"one:9042", "two:9043"}, Keyspace: "bank_rows", Replicas: 3}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for _, bad := range []string{
		"", "one:9042/rows", "http://one:9042/rows", "cassandra://one/rows", "cassandra://one:9042", "cassandra://one:9042,/rows", "cassandra://:9042/rows",
		"cassandra://one:9042/Rows", "cassandra://one:9042/rows;", "cassandra://one:9042/a/b", "cassandra://me:secret@one:9042/rows",
		"cassandra://one:9042/rows?replicas=0", "cassandra://one:9042/rows?replicas=x", "cassandra://one:9042/rows?replica=3", "cassandra://%/rows",
	} {
		if cfg, err := Parse(bad); !errors.Is(err, errAddress) {
			t.Errorf("%q is taken: %+v, %v", bad, cfg, err)
		}
	}
}
