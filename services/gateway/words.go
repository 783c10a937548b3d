package gateway

import (
	"fmt"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// words says what a rule of a .proto file wants of a field, in words for whoever filled it in.
func words(broken *protovalidate.Violation) string {
	fd, value := broken.FieldDescriptor, broken.FieldValue
	missing := fd != nil && !fd.IsList() && (!value.IsValid() || value.Equal(fd.Default()))
	if missing && fd.Name() == keyField {
		return "must be set, or given beside the request as " + keyHeader
	}
	switch broken.Proto.GetRuleId() {
	case "string.min_len":
		if missing {
			return "must be set"
		}
		return fmt.Sprintf("must have at least %s characters", broken.RuleValue)
	case "string.max_len":
		return fmt.Sprintf("must have at most %s characters", broken.RuleValue)
	case "string.pattern":
		if missing {
			return "must be set"
		}
		return shape(broken.RuleValue)
	case "enum.defined_only":
		return fmt.Sprintf("is no %s", fd.Enum().Name())
	case "enum.not_in", "enum.in":
		if missing {
			return "must be set"
		}
		return fmt.Sprintf("must be another %s for this call", fd.Enum().Name())
	case "int64.not_in":
		return "must not be zero"
	case "repeated.min_items":
		return fmt.Sprintf("must have at least %s items", broken.RuleValue)
	case "repeated.max_items":
		return fmt.Sprintf("must have at most %s items", broken.RuleValue)
	}
	return broken.Proto.GetMessage()
}

// shape says what a pattern matches.
func shape(pattern protoreflect.Value) string {
	if text, ok := shapes()[pattern.String()]; ok {
		return text
	}
	return "must match " + pattern.String()
}

// shapes are the patterns of all .proto files, in words.
func shapes() map[string]string {
	const (
		customer = `[A-Za-z0-9][A-Za-z0-9_-]`
		account  = customer + `{0,63}\.` + customer + `{0,31}`
	)
	return map[string]string{
		`^[!-~]+$`:                                "must be of visible ASCII characters, without spaces",
		`^` + customer + `*$`:                     "must be of letters, digits, _ and -, and begin with a letter or digit",
		`^` + account + `$`:                       "must be customer.name, both of letters, digits, _ and -",
		`^(@world|@fees|` + account + `)$`:        "must be customer.name, @world or @fees",
		`^[A-Za-z0-9@][A-Za-z0-9@._-]*$`:          "must be a customer or an account",
		`^[A-Z]{3}$`:                              "must be a currency code such as EUR",
		`^([0-9]{4})?$`:                           "must be four digits",
		`^([0-9]{4}-(0[1-9]|1[0-2]))?$`:           "must be a month such as 2026-01",
		`^([A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*)?$`: "must be a time zone such as Europe/Paris",
		`^[A-Za-z0-9_-]+$`:                        "must be of letters, digits, _ and -",
		`^[a-z][a-z0-9-]*$`:                       "must be of small letters, digits and -, and begin with a letter",
	}
}
