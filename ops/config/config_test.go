package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/refold/refold/ops/config"
)

// file writes a file of settings.
func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "refold.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestFlagsBeforeEnvironmentBeforeFile(t *testing.T) {
	name := file(t, `
roles: [transactions, registry]
retain: 2h
kafka:
  brokers: [a:1, b:2]
  sasl: {mechanism: SCRAM-SHA-512, user: alice, password: hidden}
`)
	e, err := config.Load(config.Sources{
		File:    name,
		Environ: []string{"HOME=/", "REFOLD_CFG_KAFKA__SASL__USER=bob", "REFOLD_CFG_RETAIN=3h", "REFOLD_CFG_REGISTRY__URLS=http://r:1,http://r:2", "REFOLD_KAFKA=x:1"},
		Flags:   map[string]any{"retain": "4h"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Check(time.Now()); err != nil {
		t.Fatal(err)
	}
	cfg, err := e.Node()
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%v %s %s %s %s %s %s", cfg.Roles, cfg.Kafka, cfg.KafkaLogin.User, cfg.KafkaLogin.Password.Value, cfg.Retain, cfg.RegistryURL, cfg.Listen.GRPC)
	if want := "[transactions registry] a:1,b:2 bob hidden 4h0m0s http://r:1,http://r:2 127.0.0.1:9090"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	from := make(map[string]string)
	for _, s := range e.Settings() {
		from[s.Key] = fmt.Sprint(s.Value, " of ", s.Source)
		if strings.Contains(from[s.Key], "hidden") {
			t.Errorf("%s is shown: %s", s.Key, from[s.Key])
		}
	}
	for key, want := range map[string]string{
		"retain": "4h of flag", "kafka.sasl.user": "bob of environment", "kafka.brokers": "[a:1 b:2] of " + name,
		"kafka.sasl.password": "(secret) of " + name, "listen.http": "127.0.0.1:8080 of default", "kafka.sasl.token": " of default",
	} {
		if from[key] != want {
			t.Errorf("%s: got %q, want %q", key, from[key], want)
		}
	}
}

// What nobody knows is named, wherever it is said, and everything at once.
func TestUnknownSettings(t *testing.T) {
	name := file(t, "kafka: {brokrs: [a:1]}\nretian: 3h\n")
	_, err := config.Load(config.Sources{File: name, Environ: []string{"REFOLD_CFG_KAFKA__TSL__CA=x"}})
	if !errors.Is(err, config.ErrSettings) {
		t.Fatalf("got %v, want %v", err, config.ErrSettings)
	}
	for _, want := range []string{"kafka.brokrs (" + name + "): there is no such setting", "retian (" + name, "kafka.tsl.ca (environment)"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
	for text, want := range map[string]string{"kafka: [": "no YAML", "partitions: many\n": "partitions", "kafka: {brokers: [a:1], brokers: [b:1]}": "no YAML"} {
		if _, err := config.Load(config.Sources{File: file(t, text)}); !errors.Is(err, config.ErrSettings) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	if _, err := config.Load(config.Sources{File: "nowhere.yaml"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}

// Each wrong setting is named in one sentence.
func TestWrongSettings(t *testing.T) {
	folder := t.TempDir()
	expired := certificate(t, folder, time.Now().Add(-time.Hour))
	for text, want := range map[string]string{
		"":                           "kafka.brokers: they are missing",
		"kafka: {brokers: [a]}":      `kafka.brokers: "a" is no HOST:PORT`,
		"roles: [king]":              `roles: "king" is none of registry`,
		"roles: [projections]":       "registry.urls: they are missing",
		"registry: {urls: [r]}":      `registry.urls: "r" is no address`,
		"listen: {http: x}":          `listen.http: "x" is no HOST:PORT`,
		"log_level: loud":            `log_level: "loud" is none of`,
		"retain: 24":                 "retain: 24ns is less than a second",
		"memory_mb: -1":              "memory_mb: -1 is less than nothing",
		"rows: {address: mysql://x}": "rows.address: ",
		"rows: {user: x}":            "rows.address: it is empty",
		"rows: {address: 'cassandra://a:1/k', consistency: ONE}":                                 `rows.consistency: "ONE" is none of`,
		"rows: {address: 'cassandra://a:1/k', user: x}":                                          "rows.password: it is empty",
		"kafka: {sasl: {mechanism: KERBEROS}}":                                                   `kafka.sasl.mechanism: "KERBEROS" is none of`,
		"kafka: {sasl: {user: x}}":                                                               "kafka.sasl.mechanism: it is missing",
		"kafka: {sasl: {mechanism: PLAIN, password: x}}":                                         "kafka.sasl.user: it is missing",
		"kafka: {sasl: {mechanism: PLAIN, user: x, password: y, password_file: z}}":              "kafka.sasl.password: kafka.sasl.password_file is there, too",
		"kafka: {sasl: {mechanism: OAUTHBEARER, token_file: /nowhere}}":                          "kafka.sasl.token_file: open /nowhere",
		"kafka: {tls: {ca: x}}":                                                                  "kafka.tls.enabled: it is not true",
		"kafka: {tls: {enabled: true, ca: /nowhere}}":                                            "kafka.tls.ca: open /nowhere",
		"kafka: {tls: {enabled: true, certificate: x}}":                                          "kafka.tls.certificate: it takes kafka.tls.key",
		fmt.Sprintf("kafka: {tls: {enabled: true, certificate: %s, key: %s}}", expired, expired): "kafka.tls.certificate: " + expired + " expired at ",
	} {
		e, err := config.Load(config.Sources{File: file(t, text)})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if err := e.Check(time.Now()); !errors.Is(err, config.ErrSettings) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// certificate writes a certificate and its key into one file.
func certificate(t *testing.T, folder string, until time.Time) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(folder, "own.pem")
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	if err := os.WriteFile(name, both, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
