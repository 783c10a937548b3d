package main

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

func TestExport(t *testing.T) {
	file, _ := cards(t, 300)
	data, folder := t.TempDir(), filepath.Join(t.TempDir(), "export")
	p := up(t, data, "Data")
	defer p.stop()
	well(t, data, "import", file, "--format", "birmingham")
	if out := well(t, data, "export", folder); !strings.HasPrefix(out, "increment 1: 300 rows in ") {
		t.Errorf("got %q", out)
	}
	if code, _, stderr := refold(t, data, "export", folder, "--format", "xlsx"); code != exitUsage || !strings.Contains(stderr, "csv parquet") {
		t.Errorf("an unknown format: got %d, %q", code, stderr)
	}
	if out := well(t, data, "export", folder+"-2", "--format", "parquet"); !strings.HasPrefix(out, "increment 1: 300 rows in ") {
		t.Errorf("got %q", out)
	}
	if out := well(t, data, "export", folder); out != "nothing was posted since the last export\n" {
		t.Errorf("got %q", out)
	}
	bucket := bucketOf(t)
	if out := well(t, data, "export", "s3://bank/entries", "--s3-endpoint", bucket); !strings.HasPrefix(out, "increment 1: 300 rows in ") {
		t.Errorf("got %q", out)
	}
	if out := well(t, data, "export", "s3://bank/entries", "--s3-endpoint", bucket); out != "nothing was posted since the last export\n" {
		t.Errorf("got %q", out)
	}
	if code, _, stderr := refold(t, data, "export", "s3://bank/entries", "--s3-endpoint", "nowhere"); code != exitUsage || !strings.Contains(stderr, "endpoint") {
		t.Errorf("no endpoint: got %d, %q", code, stderr)
	}
}

// bucketOf serves a bucket "bank" as S3 does until the test ends, sets credentials, and returns the endpoint.
func bucketOf(t *testing.T) string {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_REGION", "eu-west-1")
	backend := s3mem.New()
	if err := backend.CreateBucket("bank"); err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(service.Close)
	return service.URL
}
