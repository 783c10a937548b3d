package registry

import (
	"errors"
	"fmt"
	"net/http"
)

// apiError is an answer other than success: an HTTP status and, as error_code, one of Confluent's codes. The first
// three digits of a five-digit code are the status.
type apiError struct {
	status  int
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

func (e *apiError) Error() string { return fmt.Sprintf("%d: %s", e.Code, e.Message) }

// The error codes of Confluent's published API that this server answers with.
const (
	codeSubjectNotFound        = 40401
	codeVersionNotFound        = 40402
	codeSchemaNotFound         = 40403
	codeSubjectDeleted         = 40404
	codeSubjectNotDeleted      = 40405
	codeVersionDeleted         = 40406
	codeVersionNotDeleted      = 40407
	codeNoSubjectCompatibility = 40408
	codeNoSubjectMode          = 40409
	codeIncompatible           = 409
	codeInvalidSchema          = 42201
	codeInvalidVersion         = 42202
	codeInvalidCompatibility   = 42203
	codeInvalidMode            = 42204
	codeNotPermitted           = 42205
	codeReferenceExists        = 42206
	codeInvalidSubject         = 42208
	codeSchemaTooLarge         = 42209
	codeStore                  = 50001
	codeTimeout                = 50002
)

// refuse makes the answer for one of the codes above, or for a plain HTTP status.
func refuse(code int, format string, args ...any) *apiError {
	status := code
	if status > 999 {
		status /= 100
	}
	return &apiError{status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

func subjectNotFound(subject string) *apiError {
	return refuse(codeSubjectNotFound, "Subject '%s' not found.", subject)
}

func versionNotFound(number int) *apiError {
	return refuse(codeVersionNotFound, "Version %d not found.", number)
}

// notFound tells whether err says that something is not there, which another instance may know better.
func notFound(err error) bool {
	var e *apiError
	return errors.As(err, &e) && e.status == http.StatusNotFound
}
