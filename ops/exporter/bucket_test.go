package exporter

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// service is S3 in this process, over HTTP.
type service struct {
	*httptest.Server
	store Store
	// calls counts the calls since faults were asked for; the one of number fail gets no answer.
	calls, fail atomic.Int64
	// done says that this call is done all the same.
	done atomic.Bool
}

// newService serves one bucket and returns the store in it.
func newService(t *testing.T, cfg BucketConfig) *service {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	backend := s3mem.New()
	if err := backend.CreateBucket("bank"); err != nil {
		t.Fatal(err)
	}
	s3, s := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server(), new(service)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if s.calls.Add(1) != s.fail.Load() {
			s3.ServeHTTP(w, q)
			return
		}
		if s.done.Load() {
			s3.ServeHTTP(httptest.NewRecorder(), q)
		}
		panic(http.ErrAbortHandler) // closes the connection
	}))
	t.Cleanup(s.Close)
	cfg.URL, cfg.Endpoint, cfg.Region = "s3://bank/exports/one", s.URL, "eu-west-1"
	var err error
	if s.store, err = OpenBucket(cfg); err != nil {
		t.Fatal(err)
	}
	return s
}

func newBucket(t *testing.T) Store { return newService(t, BucketConfig{}).store }

// A call that gets no answer is made again, whether it was done or not, and a run that fails all the same neither
// repeats nor misses a row.
func TestEveryCallToABucketMayFail(t *testing.T) {
	for _, c := range []struct {
		name    string
		done    bool
		retries int
	}{{"not done", false, 1}, {"done and not answered", true, 1}, {"not done, and made again", false, 3}, {"done, and made again", true, 3}} {
		t.Run(c.name, func(t *testing.T) {
			failures := 0
			for n, came := int64(1), int64(1); came >= n; n++ {
				s := newService(t, BucketConfig{Retries: c.retries})
				b := newBank(t, s.store)
				b.post(0)
				b.post(1)
				s.done.Store(c.done)
				s.fail.Store(n)
				if _, err := Run(t.Context(), b.cfg); err != nil {
					failures++
				}
				came = s.calls.Load()
				s.fail.Store(0)
				b.tidy()
				b.post(0)
				b.export()
				b.whole()
			}
			if again := c.retries > 1; again != (failures == 0) {
				t.Errorf("got %d runs that failed", failures)
			}
		})
	}
}

func TestBucketsThatCannotBeMeant(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	for cfg, want := range map[BucketConfig]string{
		{URL: "s3://"}:                                                    "s3://BUCKET",
		{URL: "s3:///x"}:                                                  "s3://BUCKET",
		{URL: "https://bank"}:                                             "s3://BUCKET",
		{URL: "s3://bank/export"}:                                         "AWS_SECRET_ACCESS_KEY",
		{URL: "s3://bank", Endpoint: "localhost:9000"}:                    "endpoint",
		{URL: "s3://bank", Endpoint: "ftp://localhost"}:                   "endpoint",
		{URL: "s3://bank", Endpoint: "http://localhost/bank"}:             "endpoint",
		{URL: "s3://bank", Endpoint: "http://key:hunter2@localhost:9000"}: "endpoint",
	} {
		_, err := OpenBucket(cfg)
		if !errors.Is(err, ErrBucket) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: got %v, want ErrBucket that names %s", cfg, err, want)
		}
	}
}

// A bucket that is not there is said to be not there, and is not made.
func TestBucketThatIsMissing(t *testing.T) {
	s := newService(t, BucketConfig{})
	b := newBank(t, s.store)
	b.post(0)
	var err error
	if b.cfg.To, err = OpenBucket(BucketConfig{URL: "s3://nobody", Endpoint: s.URL, Region: "eu-west-1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), b.cfg); err == nil || !strings.Contains(err.Error(), "bucket does not exist") {
		t.Errorf("got %v", err)
	}
	b.tidy()
}
