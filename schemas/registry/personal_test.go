package registry

import (
	"strings"
	"testing"
)

func TestPersonal(t *testing.T) {
	for name, want := range map[string]bool{
		"email": true, "e_mail": true, "contactEMail": true, "holder_email": true, "emails": true, "EMAIL_ADDRESS": true,
		"phone": true, "phone_number": true, "mobilePhoneNumbers": true, "first_name": true, "firstName": true, "lastname": true,
		"full_name": true, "surname": true, "date_of_birth": true, "dateOfBirth": true, "dob": true, "address": true, "addresses": true,
		"billing_address": true, "clientIP": true, "iban": true, "holderIBAN": true, "ssn": true, "passport_number": true, "customer_name": true,
		"name": false, "merchant_name": false, "account_id": false, "email_verified": false, "phone_count": false, "recorded_at": false,
		"description": false, "status": false, "mcc": false, "": false, "___": false, "panel": false, "zipped": false, "amount_minor": false,
	} {
		if got := personal(name); got != want {
			t.Errorf("personal(%q): got %v, want %v", name, got, want)
		}
	}
}

func TestCheckPersonal(t *testing.T) {
	const customer = `{"type":"record","name":"bank.Customer","fields":[
		{"name":"id","type":"string"},
		{"name":"email","type":"string"%s},
		{"name":"homes","type":{"type":"array","items":["null",{"type":"record","name":"Home","fields":[{"name":"street","type":"string"%s}]}]}},
		{"name":"extra","type":{"type":"map","values":{"type":"record","name":"Extra","fields":[{"name":"iban","type":["null","string"],"default":null%s}]}}}]}`
	schema := func(marks ...string) string {
		text := customer
		for _, mark := range marks {
			text = strings.Replace(text, "%s", mark, 1)
		}
		return text
	}
	const marked = `,"pii":true`
	if err := CheckPersonal(schema(marked, marked, marked)); err != nil {
		t.Errorf("all marked: got %v, want no error", err)
	}
	err := CheckPersonal(schema("", `,"pii":false`, `,"pii":"true"`))
	if err == nil {
		t.Fatal("none marked: got no error, want one")
	}
	for _, want := range []string{"bank.Customer.email", "bank.Home.street", "bank.Extra.iban"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("none marked: got %v, want it to name %s", err, want)
		}
	}
	if got, want := strings.Count(err.Error(), "\n")+1, 3; got != want {
		t.Errorf("problems: got %d, want %d in %v", got, want, err)
	}
	if err := CheckPersonal(schema(marked, "", marked)); err == nil || strings.Contains(err.Error(), "email") {
		t.Errorf("one not marked: got %v, want an error about that one alone", err)
	}
	if err := CheckPersonal(`{"type":`); err == nil {
		t.Error("half a schema: got no error, want one")
	}
	if err := CheckPersonal(`"string"`); err != nil {
		t.Errorf("a string: got %v, want no error", err)
	}
}
