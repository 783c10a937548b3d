package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// CheckPersonal returns an error for every field of an Avro schema, at any depth, whose name says that its value is
// personal and which is not marked so by the attribute "pii": true. What is marked is encrypted under the customer's
// key and can be forgotten; what is not stays in the log for ever. A name is personal if its last words are: email,
// holder_email, contactEMail and customer_phone_numbers are, email_verified is not.
//
// Each field needs its own mark, also within a marked record, because a type can be used in other places too.
// It may be called concurrently.
func CheckPersonal(schema string) error {
	v, err := parseJSON(schema)
	if err != nil {
		return fmt.Errorf("check personal fields: %w", err)
	}
	types := definitions(v)
	names := make([]string, 0, len(types))
	for name := range types {
		names = append(names, name)
	}
	slices.Sort(names)
	var problems []error
	for _, name := range names {
		fields, _ := types[name].node["fields"].([]any)
		for _, f := range fields {
			field, _ := f.(map[string]any)
			if fieldName, _ := field["name"].(string); personal(fieldName) && field["pii"] != true {
				problems = append(problems, fmt.Errorf(`field %s.%s is personal by its name: mark it "pii": true`, name, fieldName))
			}
		}
	}
	return errors.Join(problems...)
}

// personal tells whether the last words of a name are those of something personal.
func personal(name string) bool {
	words := wordsOf(name)
	if len(words) == 0 {
		return false
	}
	last := words[len(words)-1]
	for _, ending := range []string{last, strings.TrimSuffix(last, "s"), strings.TrimSuffix(last, "es")} {
		phrase := ending
		for i := len(words) - 1; ; i-- {
			if listed(phrase) {
				return true
			}
			if i == 0 {
				break
			}
			phrase = words[i-1] + phrase
		}
	}
	return false
}

// listed tells whether a phrase, written as one word in lower case, is something personal.
func listed(phrase string) bool {
	switch phrase {
	case "email", "mail", "phone", "telephone", "mobile", "fax", "phonenumber", "telephonenumber", "mobilenumber",
		"firstname", "lastname", "middlename", "fullname", "givenname", "familyname", "surname", "maidenname",
		"birthname", "nickname", "personname", "holdername", "customername", "contactname", "dateofbirth",
		"birthdate", "birthday", "dob", "placeofbirth", "birthplace", "address", "street", "streetname",
		"housenumber", "postcode", "postalcode", "zipcode", "zip", "ip", "iban", "pan", "cardnumber", "cvv", "cvc",
		"ssn", "socialsecuritynumber", "nationalid", "nationalidnumber", "taxid", "taxnumber", "passport",
		"passportnumber", "drivinglicense", "driverslicense", "licenseplate", "gender", "nationality", "religion",
		"maritalstatus":
		return true
	}
	return false
}

// wordsOf splits a name at everything but letters and digits and where a capital letter begins a word, in lower case.
func wordsOf(name string) []string {
	var words []string
	runes := []rune(name)
	begin := 0
	cut := func(end int) {
		if end > begin {
			words = append(words, strings.ToLower(string(runes[begin:end])))
		}
	}
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			cut(i)
			begin = i + 1
		case i > begin && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			cut(i)
			begin = i
		}
	}
	cut(len(runes))
	return words
}
