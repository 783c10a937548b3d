// Package secure is how connections to Kafka and Cassandra are encrypted and who this process says that it is there.
//
// Certificates and secrets are read for every connection anew: a file that is replaced counts from the next connection
// on, without a restart. So a file must be replaced in one step, by renaming.
package secure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// TLS says how connections are encrypted. The zero value is that they are not.
type TLS struct {
	On bool
	// CA is a file of the certificates, in PEM, that servers must be signed by; those of the system where it is empty.
	CA string
	// Certificate and Key are files, in PEM, of the certificate that this process shows and its key; none where both are
	// empty.
	Certificate, Key string
	// ServerName is the name that the certificates of servers must have; that of the address where it is empty.
	ServerName string
}

// Check says what is wrong with the files as they are now, each with the name of the setting that it comes of.
func (t TLS) Check(setting string, now time.Time) error {
	if !t.On {
		if t != (TLS{}) {
			return fmt.Errorf("%s.enabled: it is not true, and there are settings of TLS beside it", setting)
		}
		return nil
	}
	var problems []error
	if _, err := t.authorities(); err != nil {
		problems = append(problems, fmt.Errorf("%s.ca: %w", setting, err))
	}
	switch c, err := t.own(); {
	case (t.Certificate == "") != (t.Key == ""):
		problems = append(problems, fmt.Errorf("%s.certificate: it takes %s.key beside it, and the key the certificate", setting, setting))
	case err != nil:
		problems = append(problems, fmt.Errorf("%s.certificate: %w", setting, err))
	case c != nil && now.After(c.Leaf.NotAfter):
		problems = append(problems, fmt.Errorf("%s.certificate: %s expired at %s", setting, t.Certificate, c.Leaf.NotAfter.Format(time.RFC3339)))
	}
	return errors.Join(problems...)
}

// authorities returns who must have signed, nil for whom the system trusts.
func (t TLS) authorities() (*x509.CertPool, error) {
	if t.CA == "" {
		return nil, nil
	}
	b, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", t.CA)
	}
	return pool, nil
}

// own returns the certificate of this process, nil where it has none.
func (t TLS) own() (*tls.Certificate, error) {
	if t.Certificate == "" || t.Key == "" {
		return nil, nil
	}
	c, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
	if err != nil {
		return nil, fmt.Errorf("read %s and its key: %w", t.Certificate, err)
	}
	return &c, nil
}

// DialContext connects to an address as the files are now, and greets the server there.
func (t TLS) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	pool, err := t.authorities()
	if err != nil {
		return nil, err
	}
	own, err := t.own()
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{RootCAs: pool, ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if own != nil {
		cfg.Certificates = []tls.Certificate{*own}
	}
	return (&tls.Dialer{Config: cfg}).DialContext(ctx, network, address)
}

// Explain says what a connection failed of where the certificate of the other side is at fault, "" where it is not.
func Explain(err error) string {
	var (
		invalid   x509.CertificateInvalidError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		alert     tls.AlertError
		header    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate of the server has expired: " + invalid.Error()
	case errors.As(err, &invalid):
		return "the certificate of the server is not valid: " + invalid.Error()
	case errors.As(err, &authority):
		return "the certificate of the server is signed by somebody else: " + authority.Error()
	case errors.As(err, &name):
		return "the certificate of the server is another one's: " + name.Error()
	case errors.As(err, &alert):
		return "the server refuses the certificate of this process: " + alert.Error()
	case errors.As(err, &header):
		return "the server does not encrypt: " + header.Error()
	}
	return ""
}

// Secret is what nobody else may know: a value, or the file that holds it.
type Secret struct {
	Value, File string
}

// Read returns the secret as it is now.
func (s Secret) Read() (string, error) {
	if s.File == "" {
		return s.Value, nil
	}
	b, err := os.ReadFile(s.File)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// Check says what is wrong with the secret, with the name of the setting of its value; that of the file is the same with
// _file behind it.
func (s Secret) Check(setting string) error {
	if s.Value != "" && s.File != "" {
		return fmt.Errorf("%s: %s_file is there, too: say one of them", setting, setting)
	}
	got, err := s.Read()
	if err != nil {
		return fmt.Errorf("%s_file: %w", setting, err)
	}
	if got == "" {
		return fmt.Errorf("%s: it is empty, and so is %s_file", setting, setting)
	}
	return nil
}
