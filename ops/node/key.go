package node

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
)

// keyFile holds the key that certificates are signed with, as PKCS #8 in PEM, for its owner only.
const keyFile = "certificate.key"

// key returns the key that certificates are signed with. It is made at its first use and never changed: who has
// its public part trusts what this data folder certifies.
func (f *folder) key() (ed25519.PrivateKey, error) {
	name := f.sub(keyFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return makeKey(name)
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("read key: %s holds no PEM", name)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("read key: %s holds no Ed25519 key", name)
	}
	return key, nil
}

func makeKey(name string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	if err := errors.Join(pem.Encode(file, &pem.Block{Type: "PRIVATE KEY", Bytes: b}), file.Sync(), file.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("write key %s: %w", name, err), os.Remove(name))
	}
	return key, nil
}

// build says what this process was built from: the module's version, and the revision where it is known.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	out := info.Main.Version
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			out += " " + s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			out += " modified"
		}
	}
	return out + " " + info.GoVersion
}
