package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // of the pom
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
)

// errNoJava is wrapped where this machine cannot run the engines.
var errNoJava = errors.New("no Java")

// java is what runs the engines.
type java struct {
	program string // java
	maven   string // mvn
}

// release finds the major version in what `java -version` says.
var release = regexp.MustCompile(`version "(\d+)`)

// findJava finds Java 17, which is what Cassandra 5 runs on, and Maven.
func findJava(ctx context.Context) (java, error) {
	j := java{program: "java"}
	if home := os.Getenv("JAVA_HOME"); home != "" {
		j.program = filepath.Join(home, "bin", "java")
	}
	said, err := exec.CommandContext(ctx, j.program, "-version").CombinedOutput()
	if err != nil {
		return j, fmt.Errorf("%w: %s does not run: %w", errNoJava, j.program, err)
	}
	if m := release.FindSubmatch(said); m == nil || string(m[1]) != "17" {
		return j, fmt.Errorf("%w 17: %s is %s", errNoJava, j.program, bytes.TrimSpace(said))
	}
	if j.maven, err = exec.LookPath("mvn"); err != nil {
		return j, fmt.Errorf("%w: Maven is missing: %w", errNoJava, err)
	}
	return j, nil
}

//go:embed pom.xml
var pom []byte

// errNoJars is wrapped where Maven does not fetch what an engine is made of, such as without a network.
var errNoJars = errors.New("no jars")

// jars returns the folder of an engine's jars, which are fetched where they are not there. The folder is named after
// what it was made from, and is there only when it is whole.
func (j java) jars(ctx context.Context, data, engine string) (_ string, err error) {
	sum := sha256.Sum256(pom)
	folder := filepath.Join(data, "jars", engine+"-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", err
	}
	part, err := os.MkdirTemp(filepath.Dir(folder), engine+"-part-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(part)) }()
	file := filepath.Join(part, "pom.xml")
	if err := os.WriteFile(file, pom, 0o644); err != nil {
		return "", err
	}
	got := filepath.Join(part, "jars")
	cmd := exec.CommandContext(ctx, j.maven, "-q", "-B", "-f", file, "-P", engine, "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+got)
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w of %s: %w\n%s", errNoJars, engine, err, said)
	}
	if err := os.Rename(got, folder); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return folder, nil
}
