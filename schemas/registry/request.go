package registry

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 1 << 20

// body reads the request's body, exactly one JSON object without unknown members, into v.
func body(r *http.Request, v any) error {
	if header := r.Header.Get("Content-Type"); header != "" {
		mediaType, _, _ := mime.ParseMediaType(header)
		if mediaType != "application/octet-stream" && !slices.Contains(mediaTypes(), mediaType) {
			return refuse(http.StatusUnsupportedMediaType, "HTTP 415 Unsupported Media Type: requests are %s", strings.Join(mediaTypes(), ", "))
		}
	}
	text, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return refuse(http.StatusRequestEntityTooLarge, "The request is larger than %d bytes.", tooLarge.Limit)
	case err != nil:
		return refuse(http.StatusBadRequest, "The request could not be read.")
	}
	if err := decodeStrictly(text, v); err != nil {
		return malformed(err)
	}
	return nil
}

// malformed tells a body that is no JSON object, status 400, from one with members that are unknown or of the wrong
// type, status 422, as Confluent's server does.
func malformed(err error) *apiError {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return refuse(http.StatusUnprocessableEntity, "Member %q must not be a JSON %s.", wrongType.Field, wrongType.Value)
	}
	if unknown, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return refuse(http.StatusUnprocessableEntity, "Unrecognized field: %s", unknown)
	}
	return refuse(http.StatusBadRequest, "The request must be exactly one JSON object: %v.", err)
}

// subjectOf is the subject that the path names.
func subjectOf(r *http.Request) (string, error) {
	subject := r.PathValue("subject")
	const longest = 1024
	switch {
	case len(subject) > longest, !utf8.ValidString(subject), strings.ContainsFunc(subject, unicode.IsControl):
		return "", refuse(codeInvalidSubject, "A subject has 1 to %d bytes of UTF-8 without control characters.", longest)
	case strings.HasPrefix(subject, ":."), strings.HasPrefix(subject, ":*:"):
		return "", refuse(codeInvalidSubject, "The subject %s names a context; contexts are not supported.", subject)
	case subject == "__GLOBAL", subject == "__EMPTY":
		return "", refuse(codeInvalidSubject, "The subject %s is reserved.", subject)
	}
	return subject, nil
}

// latest stands for the last version of a subject.
const latest = -1

// versionOf is the version that the path names, or latest.
func versionOf(r *http.Request) (int, error) {
	text := r.PathValue("version")
	if text == "latest" {
		return latest, nil
	}
	number, err := strconv.ParseInt(text, 10, 32)
	if err != nil || number < 1 && number != latest {
		return 0, refuse(codeInvalidVersion,
			"The specified version '%s' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\".", text)
	}
	return int(number), nil
}

// isSet reads a yes-or-no parameter of the query. Only "true" is a yes.
func isSet(r *http.Request, name string) bool {
	return strings.EqualFold(r.URL.Query().Get(name), "true")
}

// deletionOf reads which way of deleting the query asks for.
func deletionOf(r *http.Request) deletion {
	if isSet(r, "permanent") {
		return permanent
	}
	return soft
}

// filterOf reads which versions the query asks for.
func filterOf(r *http.Request) deletedFilter {
	switch {
	case isSet(r, "deletedOnly"):
		return onlyDeleted
	case isSet(r, "deleted"):
		return withDeleted
	default:
		return notDeleted
	}
}

// page cuts a list to the parameters offset and limit of the query; a limit below 1 is none.
func page[T any](r *http.Request, list []T) ([]T, error) {
	offset, err := number(r, "offset")
	if err != nil {
		return nil, err
	}
	limit, err := number(r, "limit")
	if err != nil {
		return nil, err
	}
	list = list[min(max(offset, 0), len(list)):]
	if limit > 0 {
		list = list[:min(limit, len(list))]
	}
	return append([]T{}, list...), nil
}

func number(r *http.Request, name string) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, refuse(http.StatusBadRequest, "The parameter %s must be a whole number.", name)
	}
	return n, nil
}
