package importer

import "strings"

// split cuts a line of CSV (RFC 4180) into its fields and appends them to fields. A quote inside a field
// that does not begin with one, a quote that is not closed and text behind a closing quote are refused.
func split(line string, fields []string) ([]string, *refusal) {
	for r := (rest{text: line, more: true}); r.more; {
		field, bad := r.cut()
		if bad != nil {
			return fields, bad
		}
		fields = append(fields, field)
	}
	return fields, nil
}

// rest is what of a line has not been cut off. More says that a field follows, if only an empty one.
type rest struct {
	text string
	more bool
}

// cut cuts the next field off.
func (r *rest) cut() (field string, bad *refusal) {
	if strings.HasPrefix(r.text, `"`) {
		r.text = r.text[1:]
		return r.cutQuoted()
	}
	field, r.text, r.more = strings.Cut(r.text, ",")
	if strings.Contains(field, `"`) {
		return "", refuse(reasonMalformed, "a quote stands inside of a field that is not quoted")
	}
	return field, nil
}

// cutQuoted is cut for a field whose first quote has been cut off.
func (r *rest) cutQuoted() (field string, bad *refusal) {
	for {
		text, behind, closed := strings.Cut(r.text, `"`)
		field += text
		switch {
		case !closed:
			return "", refuse(reasonMalformed, "a quote is not closed")
		case behind == "":
			r.more = false
			return field, nil
		case behind[0] == ',':
			r.text = behind[1:]
			return field, nil
		case behind[0] != '"':
			return "", refuse(reasonMalformed, "text follows a closing quote")
		}
		field, r.text = field+`"`, behind[1:]
	}
}
