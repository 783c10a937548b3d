package node_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/refold/refold/ops/node"
	"github.com/refold/refold/streams/cluster"
	"github.com/refold/refold/streams/fake"
	"github.com/refold/refold/streams/secure"
	"github.com/refold/refold/streams/topic"
)

// registryOn is a node of the role registry on brokers that run elsewhere.
func registryOn(t *testing.T, seeds []string) node.Config {
	t.Helper()
	cfg := local(t.TempDir())
	cfg.Kafka, cfg.Roles, cfg.Partitions = strings.Join(seeds, ","), []node.Role{node.Registry}, 3
	return cfg
}

// refused opens a node that must not start, and expects one sentence.
func refused(t *testing.T, cfg node.Config, words ...string) error {
	t.Helper()
	n, err := node.Open(t.Context(), cfg)
	if err == nil {
		_ = n.Close()
		t.Fatalf("a node starts, want that it is refused: %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %q, want one sentence with %q in it", err, w)
		}
	}
	return err
}

func TestATopicThatWasMadeAgainIsRefused(t *testing.T) {
	b := fake.New(t, 3)
	cfg := registryOn(t, b.Seeds)
	for range 2 {
		if err := reopen(t, cfg); err != nil {
			t.Fatal(err)
		}
	}
	b.MakeAgain(topic.Transactions, 3)
	b.Configure(topic.Transactions, "retention.ms", "-1")
	if err := refused(t, cfg, "kafka.brokers: bank.transactions"); !errors.Is(err, node.ErrOtherLog) {
		t.Errorf("got %v, want %v", err, node.ErrOtherLog)
	}
}

func TestOldTransactionsAreRefused(t *testing.T) {
	b := fake.New(t, 3)
	helper, err := b.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer helper.Close()
	asked := kmsg.NewPtrApiVersionsRequest()
	asked.ClientSoftwareName, asked.ClientSoftwareVersion = "test", "1"
	resp, err := asked.RequestWith(t.Context(), helper)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			resp.FinalizedFeatures[i].MaxVersionLevel = 1
		}
	}
	b.Faults().ControlKey(int16(kmsg.ApiVersions), func(r kmsg.Request) (kmsg.Response, error, bool) {
		b.Faults().KeepControl()
		old := *resp
		old.SetVersion(r.GetVersion())
		return &old, nil, true
	})
	_ = refused(t, registryOn(t, b.Seeds), "kafka.brokers: ", "transaction.version 1")
}

func TestARegistryOfAnotherClusterIsRefused(t *testing.T) {
	b := fake.New(t, 3)
	schemas := open(t, node.Config{Kafka: b.Seeds[0], Roles: []node.Role{node.Registry}})
	cfg := registryOn(t, b.Seeds)
	cfg.Roles, cfg.RegistryURL = []node.Role{node.Projections}, "http://"+schemas.Addresses().Registry
	if err := reopen(t, cfg); err != nil {
		t.Errorf("its own registry: %v", err)
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"scope":{"path":[],"clusters":{"kafka-cluster":"elsewhere","schema-registry-cluster":"x"}}}`)
	}))
	defer other.Close()
	cfg.RegistryURL = other.URL
	_ = refused(t, cfg, "registry.urls: ", "elsewhere")
}

// authority signs certificates.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, key: key, cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a.file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// sign returns a certificate for this machine that is good until a time, and writes it and its key into a file.
func (a *authority) sign(file string, until time.Time) tls.Certificate {
	a.t.Helper()
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: until.Add(-2 * time.Hour), NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, &a.key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	if err := os.WriteFile(file+".part", both, 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(file+".part", file); err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

// guarded are brokers that take TLS with a certificate of ours, and a login.
func guarded(t *testing.T, a *authority, server tls.Certificate) []string {
	t.Helper()
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(a.file)
	if err != nil || !pool.AppendCertsFromPEM(ca) {
		t.Fatal(err)
	}
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "alice", "right"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k.ListenAddrs()
}

// A node reaches brokers with a certificate and a login, and both may be replaced while it runs.
func TestCertificatesAndLogins(t *testing.T) {
	a, folder := newAuthority(t), t.TempDir()
	own, password := filepath.Join(folder, "own.pem"), filepath.Join(folder, "password")
	server := a.sign(filepath.Join(folder, "server.pem"), time.Now().Add(time.Hour))
	a.sign(own, time.Now().Add(time.Hour))
	if err := os.WriteFile(password, []byte("right\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := registryOn(t, guarded(t, a, server))
	cfg.KafkaTLS = secure.TLS{On: true, CA: a.file, Certificate: own, Key: own}
	cfg.KafkaLogin = cluster.Login{Mechanism: "SCRAM-SHA-512", User: "alice", Password: secure.Secret{File: password}}
	if err := reopen(t, cfg); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*node.Config)
		words  []string
	}{
		"another password":  {func(c *node.Config) { c.KafkaLogin.Password = secure.Secret{Value: "wrong"} }, []string{"kafka.sasl: ", `"alice"`}},
		"another authority": {func(c *node.Config) { c.KafkaTLS.CA = newAuthority(t).file }, []string{"kafka.tls: ", "signed by somebody else"}},
		"another name":      {func(c *node.Config) { c.KafkaTLS.ServerName = "elsewhere" }, []string{"kafka.tls: ", "another one's"}},
		"expired": {func(c *node.Config) {
			c.Kafka = strings.Join(guarded(t, a, a.sign(filepath.Join(folder, "server.pem"), time.Now().Add(-time.Minute))), ",")
		}, []string{"kafka.tls: ", "has expired"}},
	} {
		t.Run(name, func(t *testing.T) {
			changed := cfg
			changed.Data = t.TempDir()
			c.change(&changed)
			_ = refused(t, changed, c.words...)
		})
	}
	// What is in the files counts from the next connection on.
	reached := func() error {
		client, err := (cluster.Cluster{Seeds: strings.Split(cfg.Kafka, ","), TLS: cfg.KafkaTLS, Login: cfg.KafkaLogin}).Client()
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		return client.Ping(ctx)
	}
	a.sign(own, time.Now().Add(-time.Minute))
	if err := reached(); err == nil {
		t.Error("an expired certificate is taken")
	}
	a.sign(own, time.Now().Add(time.Hour))
	if err := reached(); err != nil {
		t.Errorf("a new certificate: %v", err)
	}
}
