package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Where Maven fetches nothing the command is not run, and what is printed says so.
func TestRunSaysThatItFetchesNothing(t *testing.T) {
	programs := t.TempDir()
	for name, script := range map[string]string{"bin/java": `echo 'openjdk version "17.0.1"'`, "mvn": "echo no route; exit 1"} {
		file := filepath.Join(programs, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
	}
	t.Setenv("JAVA_HOME", programs)
	t.Setenv("PATH", programs+string(os.PathListSeparator)+os.Getenv("PATH"))
	var out bytes.Buffer
	if err := runArgs(context.Background(), []string{"-data", t.TempDir(), "-only", "cassandra", "run", "--", "touch", filepath.Join(programs, "ran")}, &out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "skipped: ") || !strings.Contains(got, "no route") {
		t.Errorf("got %q", got)
	}
	if _, err := os.Stat(filepath.Join(programs, "ran")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the command was run: %v", err)
	}
}

// Where there is no Java the command is not run, and what is printed says so.
func TestRunSaysThatItSkips(t *testing.T) {
	t.Setenv("JAVA_HOME", t.TempDir())
	var out bytes.Buffer
	ran := filepath.Join(t.TempDir(), "ran")
	if err := runArgs(context.Background(), []string{"-data", t.TempDir(), "run", "--", "touch", ran}, &out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "skipped: no Java") {
		t.Errorf("got %q", got)
	}
	if _, err := os.Stat(ran); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the command was run: %v", err)
	}
	if err := runArgs(context.Background(), []string{"-data", t.TempDir(), "up"}, &out); !errors.Is(err, errNoJava) {
		t.Errorf("up: got %v, want %v", err, errNoJava)
	}
}

func TestConfigurationHasThePortsAndTheFolder(t *testing.T) {
	s := settings{kafka: "127.0.0.1:7001", cassandra: "127.0.0.1:7003"}
	engines, err := s.engines(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]string{
		{"kafka.properties", "listeners=PLAINTEXT://127.0.0.1:7001,CONTROLLER://127.0.0.1:7002\n", "log.dirs=" + engines[0].Dir + "/data\n"},
		{"cassandra.yaml", "native_transport_port: 7003\n", "storage_port: 7004\n", "  - " + engines[1].Dir + "/data\n"},
	} {
		if err := engines[i].configure(); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(engines[i].Dir, want[0]))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range want[1:] {
			if !strings.Contains(string(got), line) {
				t.Errorf("%s has no line %q:\n%s", want[0], line, got)
			}
		}
	}
	three, err := (settings{kafka: "127.0.0.1:7001", cassandra: "127.0.0.1:7003", nodes: 3}).engines(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var at []string
	for _, e := range three {
		at = append(at, e.address())
	}
	want := "127.0.0.1:7001 127.0.0.1:7003 127.0.0.1:7005 127.0.0.1:7003 127.0.0.2:7003 127.0.0.3:7003"
	if got := strings.Join(at, " "); got != want {
		t.Errorf("three nodes: got %s, want %s", got, want)
	}
	if got, want := three[1].addresses(), "127.0.0.1:7001,127.0.0.1:7003,127.0.0.1:7005"; got != want {
		t.Errorf("three nodes: got %s, want %s", got, want)
	}
	if got, want := three[2].Controllers(), "127.0.0.1:7002,127.0.0.1:7004,127.0.0.1:7006"; got != want || three[2].InSync() != 2 {
		t.Errorf("three nodes: got %s, of which %d are in sync, want %s", got, three[2].InSync(), want)
	}
	for _, bad := range []string{"127.0.0.1", "127.0.0.1:x", "127.0.0.1:65535"} {
		if _, err := (settings{kafka: bad, cassandra: "127.0.0.1:1"}).engines(""); err == nil {
			t.Errorf("the address %q is taken", bad)
		}
	}
}

// A process id that has come to name a process of somebody else is let alone.
func TestOnlyItsOwnProcessIsStopped(t *testing.T) {
	e := &engine{Name: kafka, Dir: t.TempDir(), Host: "127.0.0.1", Port: 1}
	if err := os.WriteFile(e.pidFile(), []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	if got, want := e.status(), "kafka does not run"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
