package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/refold/refold/streams/secure"
)

// Login is who this process says that it is to the brokers, by SASL. The zero value is nobody.
type Login struct {
	// Mechanism is one of Mechanisms.
	Mechanism string
	User      string
	Password  secure.Secret
	// Token is that of OAUTHBEARER, which needs neither user nor password.
	Token secure.Secret
}

// The mechanisms of SASL.
const (
	plainText = "PLAIN"
	scram256  = "SCRAM-SHA-256"
	scram512  = "SCRAM-SHA-512"
	bearer    = "OAUTHBEARER"
)

// Mechanisms are those that a Login may have.
func Mechanisms() []string { return []string{scram512, scram256, bearer, plainText} }

// Check says what is wrong with the login, with the name of the setting that it comes of.
func (l Login) Check(setting string) error {
	switch l.Mechanism {
	case "":
		if l != (Login{}) {
			return fmt.Errorf("%s.mechanism: it is missing, and there are settings of SASL beside it", setting)
		}
		return nil
	case bearer:
		return l.Token.Check(setting + ".token")
	case plainText, scram256, scram512:
		var problems []error
		if l.User == "" {
			problems = append(problems, fmt.Errorf("%s.user: it is missing", setting))
		}
		return errors.Join(append(problems, l.Password.Check(setting+".password"))...)
	}
	return fmt.Errorf("%s.mechanism: %q is none of %s", setting, l.Mechanism, strings.Join(Mechanisms(), ", "))
}

// mechanism says who this process is, with secrets as they are when a connection is made.
func (l Login) mechanism() sasl.Mechanism {
	switch l.Mechanism {
	case bearer:
		return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			token, err := l.Token.Read()
			return oauth.Auth{Token: token}, err
		})
	case plainText:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			password, err := l.Password.Read()
			return plain.Auth{User: l.User, Pass: password}, err
		})
	}
	say := func(context.Context) (scram.Auth, error) {
		password, err := l.Password.Read()
		return scram.Auth{User: l.User, Pass: password}, err
	}
	if l.Mechanism == scram256 {
		return scram.Sha256(say)
	}
	return scram.Sha512(say)
}

// Refused tells whether an error is that the brokers do not take who this process says that it is.
func Refused(err error) bool {
	return errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, kerr.UnsupportedSaslMechanism) || errors.Is(err, kerr.IllegalSaslState)
}
