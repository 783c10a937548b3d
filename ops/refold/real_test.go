package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refold/refold/ops/demo"
	"github.com/refold/refold/streams/fake"
)

// engines returns where a real Kafka, which is empty, and a real Cassandra are.
func engines(t *testing.T) (kafka, rows string) {
	t.Helper()
	kafka, cassandra := os.Getenv("REFOLD_KAFKA"), os.Getenv("REFOLD_CASSANDRA")
	if kafka == "" || cassandra == "" {
		t.Skip("skipped: REFOLD_KAFKA and REFOLD_CASSANDRA name no real engines: task test:real starts them")
	}
	fake.Empty(t)
	return kafka, fmt.Sprintf("cassandra://%s/refold_%d", cassandra, time.Now().UnixNano())
}

// Two processes of each role on real engines: a worker is killed and its tasks go on elsewhere, what was imported is
// replayed and promoted, an owner is killed, and every row that is asked for is what one process on embedded parts makes of the same file.
func TestRolesOnRealEngines(t *testing.T) {
	kafka, rows := engines(t)
	folder := t.TempDir()
	begin := func(name string, args ...string) *process {
		return start(t, filepath.Join(folder, name), "Data", append([]string{"serve", "--kafka", kafka, "--partitions", "4",
			"--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--registry", "127.0.0.1:0", "--operators", ""}, args...)...)
	}
	var registries []string
	for n := range 2 {
		registries = append(registries, "http://"+begin(fmt.Sprint("registry-", n), "--role=registry").Registry)
	}
	schemas := "--registry-url=" + strings.Join(registries, ",")
	var owners, workers []*process
	for n := range 2 {
		owners = append(owners, begin(fmt.Sprint("owner-", n), "--role=transactions", schemas))
		workers = append(workers, begin(fmt.Sprint("worker-", n), "--role=projections", schemas, "--rows", rows))
	}
	file := filepath.Join(folder, demo.Name)
	if err := os.WriteFile(file, demo.Birmingham, 0o644); err != nil {
		t.Fatal(err)
	}
	alone := up(t, filepath.Join(folder, "alone"), "Data")
	for _, at := range []string{owners[1].GRPC, alone.GRPC} {
		well(t, folder, "import", file, "--format", demo.Format, "--server", at)
	}
	var want string
	until(t, "one process has folded everything", func() bool {
		before := want
		want = alone.months(demo.Customer)
		return len(want) > 1000 && want == before
	})
	same := func(when string) {
		t.Helper()
		until(t, "the rows are those of one process "+when, func() bool {
			for _, w := range workers {
				if status, body := w.get("/v1/customers/" + demo.Customer + "/spending"); status == 200 && strings.Contains(body, want[:200]) {
					return w.months(demo.Customer) == want
				}
			}
			return false
		})
	}
	same("after the import")
	workers[0].kill()
	workers = workers[1:]
	same("after a worker was killed")
	// Generations are compared by the process that holds all of their tasks.
	until(t, "the other one holds every task", func() bool {
		for n := range 40 { // customers in all partitions
			if _, body := workers[0].get(fmt.Sprintf("/v1/customers/nobody-%d/spending", n)); strings.Contains(body, "NOT_HERE") {
				return false
			}
		}
		return true
	})
	well(t, folder, "replay", "spending", "--from", "beginning", "--server", workers[0].GRPC)
	well(t, folder, "promote", "spending", "--server", workers[0].GRPC)
	same("after a promotion")
	owners[0].kill()
	well(t, folder, "import", file, "--format", demo.Format, "--server", owners[1].GRPC)
	same("after an owner was killed and everything was imported again")
}
