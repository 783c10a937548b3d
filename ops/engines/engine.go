package main

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"
)

const (
	kafka     = "kafka"
	cassandra = "cassandra"
)

// engine is one node of Kafka or Cassandra.
type engine struct {
	Name string
	// Dir holds its configuration, log and data, and which process it is.
	Dir  string
	Host string
	// Port is for clients, and Inner for the engine itself.
	Port, Inner int
	// ID is that of the cluster that Kafka is formatted for.
	ID string
	// Node counts the nodes of the cluster from 1, and Cluster is all of them.
	Node    int
	Cluster []*engine
}

// The ids of clusters of Kafka. What is kept in one for tests is deleted by each; see package fake of streams.
const (
	keptID    = "cmVmb2xkLWVuZ2luZXMtMQ"
	testingID = "cmVmb2xkLXRlc3RpbmctMQ"
)

// engines returns the engines that are wanted, with what they keep below a folder.
func (s settings) engines(dir string) (out []*engine, err error) {
	for _, e := range []struct{ name, address string }{{kafka, s.kafka}, {cassandra, s.cassandra}} {
		if s.only != "" && s.only != e.name {
			continue
		}
		nodes, err := s.cluster(dir, e.name, e.address)
		if err != nil {
			return nil, fmt.Errorf("-%s: %w", e.name, err)
		}
		out = append(out, nodes...)
	}
	return out, nil
}

// freePorts returns an address whose port is free, and so many after it.
func freePorts(more int) (string, error) {
	var problem error
	for range 20 {
		one, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		address := one.Addr().(*net.TCPAddr)
		for i := range more {
			next, failed := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", address.Port+1+i))
			if failed == nil {
				failed = next.Close()
			}
			err = cmp.Or(err, failed)
		}
		if err = cmp.Or(err, one.Close()); err == nil {
			return address.String(), nil
		}
		problem = err
	}
	return "", fmt.Errorf("find %d free ports: %w", more+1, problem)
}

func (e *engine) address() string { return net.JoinHostPort(e.Host, strconv.Itoa(e.Port)) }

// variable is the name under which tests find the engine's address.
func (e *engine) variable() string { return "REFOLD_" + strings.ToUpper(e.Name) }

//go:embed kafka.properties cassandra.yaml log4j2.xml logback.xml
var files embed.FS

// configure writes an engine's configuration.
func (e *engine) configure() error {
	if err := os.MkdirAll(e.Dir, 0o755); err != nil {
		return err
	}
	names := []string{"kafka.properties", "log4j2.xml"}
	if e.Name == cassandra {
		names = []string{"cassandra.yaml", "logback.xml"}
	}
	for _, name := range names {
		t, err := template.ParseFS(files, name)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, e); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(e.Dir, name), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// args are what Java is given to run the engine.
func (e *engine) args(jars string) []string {
	args := []string{"-Xmx" + e.heap(), "-cp", filepath.Join(jars, "*")}
	if len(e.Cluster) > 1 {
		// Many nodes on one machine are there to be stopped and started, and not for their speed.
		args = append(args, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
	}
	if e.Name == kafka {
		return append(args, "-Dlog4j2.configurationFile="+filepath.Join(e.Dir, "log4j2.xml"), "kafka.Kafka", filepath.Join(e.Dir, "kafka.properties"))
	}
	args = append(args,
		"-Dcassandra.config=file://"+filepath.Join(e.Dir, "cassandra.yaml"), "-Dlogback.configurationFile="+filepath.Join(e.Dir, "logback.xml"),
		"-Dcassandra.storagedir="+e.Dir, "-Dcassandra-foreground=true", "-Djdk.attach.allowAttachSelf=true",
		"-Dcassandra.ring_delay_ms="+e.ringDelay(), "-Dcassandra.skip_wait_for_gossip_to_settle=0",
	)
	return append(append(args, opened()...), "org.apache.cassandra.service.CassandraDaemon")
}

// heap is the memory that Java may take for the engine.
func (e *engine) heap() string {
	switch {
	case len(e.Cluster) == 1:
		return "1g"
	case e.Name == kafka:
		return "512m"
	}
	return "768m"
}

// ringDelay is for how many milliseconds a node of Cassandra waits to hear of others.
func (e *engine) ringDelay() string {
	if len(e.Cluster) == 1 {
		return "100" // there is nobody
	}
	return "2000"
}

// opened are the parts of Java 17 that Cassandra 5 reaches into.
func opened() (out []string) {
	for _, p := range []string{
		"java.base/jdk.internal.misc", "java.base/java.lang.ref", "java.base/jdk.internal.ref", "java.base/jdk.internal.util", "java.base/sun.nio.ch",
		"java.management.rmi/com.sun.jmx.remote.internal.rmi", "java.rmi/sun.rmi.registry", "java.rmi/sun.rmi.server", "java.sql/java.sql",
		"jdk.unsupported/sun.misc", "jdk.compiler/com.sun.tools.javac.file",
	} {
		out = append(out, "--add-exports="+p+"=ALL-UNNAMED")
	}
	for _, p := range []string{
		"java.base/java.lang.module", "java.base/jdk.internal.loader", "java.base/jdk.internal.ref", "java.base/jdk.internal.reflect",
		"java.base/jdk.internal.math", "java.base/jdk.internal.module", "java.base/jdk.internal.util.jar", "java.base/java.nio",
		"java.base/sun.nio.ch", "java.base/java.util", "java.base/java.util.concurrent", "java.base/java.util.concurrent.atomic",
		"java.base/java.io", "java.base/java.lang", "java.base/java.lang.reflect", "java.base/java.math", "java.base/java.net",
		"jdk.management.jfr/jdk.management.jfr", "jdk.management/com.sun.management.internal",
	} {
		out = append(out, "--add-opens="+p+"=ALL-UNNAMED")
	}
	return out
}

// format prepares the data folder of a new Kafka.
func (e *engine) format(ctx context.Context, j java, jars string) error {
	if _, err := os.Stat(filepath.Join(e.Dir, "data")); e.Name != kafka || err == nil {
		return nil
	}
	args := []string{"-cp", filepath.Join(jars, "*"), "kafka.tools.StorageTool", "format", "-t", e.ID, "-c", filepath.Join(e.Dir, "kafka.properties")}
	if len(e.Cluster) == 1 {
		args = append(args, "--standalone")
	} else {
		args = append(args, "--initial-controllers", e.controllers())
	}
	cmd := exec.CommandContext(ctx, j.program, args...)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("format the data folder of kafka: %w\n%s", err, said)
	}
	return nil
}

// patience bounds the wait for an engine to answer, and to end.
const patience = 2 * time.Minute

// startAll starts engines side by side, and returns when all of them answer. Nodes of Cassandra start one after the
// other: two that join at the same time would take the same part of the ring.
func startAll(ctx context.Context, j java, data string, engines []*engine) error {
	var mu sync.Mutex
	var problems []error // guarded by mu
	start := func(e *engine) bool {
		err := e.start(ctx, j, data)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			problems = append(problems, fmt.Errorf("start %s: %w", e, err))
		}
		return err == nil
	}
	// What all nodes are made of is fetched once.
	for _, name := range []string{kafka, cassandra} {
		if slices.ContainsFunc(engines, func(e *engine) bool { return e.Name == name }) {
			if _, err := j.jars(ctx, data, name); err != nil {
				return fmt.Errorf("start %s: %w", name, err)
			}
		}
	}
	var all sync.WaitGroup
	for _, e := range engines {
		switch {
		case e.Name == kafka:
			all.Go(func() { start(e) })
		case e.Node == 1:
			all.Go(func() {
				for _, n := range e.Cluster {
					if !start(n) {
						return
					}
				}
			})
		}
	}
	all.Wait()
	return errors.Join(problems...)
}

// start starts an engine that does not run, and returns when it answers.
func (e *engine) start(ctx context.Context, j java, data string) error {
	if pid, runs := e.process(); runs {
		return e.await(ctx, pid)
	}
	if e.answers() {
		return fmt.Errorf("something else listens at %s", e.address())
	}
	args, err := e.prepare(ctx, j, data)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(e.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(j.program, args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, e.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it outlives the terminal, and gets none of its signals
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // where it ends before this program does, await sees it gone
	if err := os.WriteFile(e.pidFile(), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644); err != nil {
		return err
	}
	return e.await(ctx, cmd.Process.Pid)
}

// prepare makes everything that an engine needs to start, and returns what Java is given to run it.
func (e *engine) prepare(ctx context.Context, j java, data string) ([]string, error) {
	jars, err := j.jars(ctx, data, e.Name)
	if err == nil {
		err = e.configure()
	}
	if err == nil {
		err = e.format(ctx, j, jars)
	}
	return e.args(jars), err
}

// become makes this process be an engine, which whoever started it can stop and kill as it likes. What the engine logs
// goes to its standard output.
func (e *engine) become(ctx context.Context, j java, data string) error {
	args, err := e.prepare(ctx, j, data)
	if err != nil {
		return err
	}
	program, err := exec.LookPath(j.program)
	if err != nil {
		return err
	}
	return syscall.Exec(program, append([]string{program}, args...), os.Environ())
}

// await waits until an engine answers.
func (e *engine) await(ctx context.Context, pid int) error {
	return until(ctx, func() (bool, error) {
		if !e.owns(pid) {
			return false, fmt.Errorf("it ended before it answered: see %s", e.log())
		}
		return e.answers(), nil
	}, fmt.Sprintf("an answer at %s, see %s", e.address(), e.log()))
}
