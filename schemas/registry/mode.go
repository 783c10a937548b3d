package registry

import (
	"net/http"
	"strings"
)

// The modes of Confluent's registry. READONLY refuses every change but that of the mode. IMPORT takes schemas only
// with a given id, and without checking their compatibility. READONLY_OVERRIDE for the whole registry is READONLY
// for every subject, whatever the subject's own mode.
const (
	modeReadWrite        = "READWRITE"
	modeReadOnly         = "READONLY"
	modeReadOnlyOverride = "READONLY_OVERRIDE"
	modeImport           = "IMPORT"
)

func validMode(mode string) bool {
	return mode == modeReadWrite || mode == modeImport || readOnly(mode)
}

func readOnly(mode string) bool {
	return mode == modeReadOnly || mode == modeReadOnlyOverride
}

// readOnlyError refuses a change of a subject, or, without one, of the registry.
func readOnlyError(subject string) *apiError {
	if subject == "" {
		return refuse(codeNotPermitted, "The registry is in read-only mode.")
	}
	return refuse(codeNotPermitted, "Subject %s is in read-only mode.", subject)
}

func (s *Server) modeRoutes() map[string]methods {
	return map[string]methods{
		"/mode":           {"GET": s.getMode, "PUT": s.putMode, "DELETE": s.deleteMode},
		"/mode/{subject}": {"GET": s.getSubjectMode, "PUT": s.putSubjectMode, "DELETE": s.deleteSubjectMode},
	}
}

// modeBody is the body of requests and answers about modes.
type modeBody struct {
	Mode string `json:"mode"`
}

// getMode answers GET /mode.
func (s *Server) getMode(r *http.Request) (any, error) {
	return read(r.Context(), s, func(st *state) (any, error) { return modeBody{st.mode("")}, nil })
}

// getSubjectMode answers GET /mode/{subject}, with defaultToGlobal.
func (s *Server) getSubjectMode(r *http.Request) (any, error) {
	subject, err := subjectOf(r)
	if err != nil {
		return nil, err
	}
	return read(r.Context(), s, func(st *state) (any, error) {
		if isSet(r, "defaultToGlobal") {
			return modeBody{st.mode(subject)}, nil
		}
		own, ok := st.modes[subject]
		if !ok {
			return nil, refuse(codeNoSubjectMode, "Subject '%s' does not have subject-level mode configured", subject)
		}
		return modeBody{own}, nil
	})
}

// putMode answers PUT /mode, with force.
func (s *Server) putMode(r *http.Request) (any, error) {
	return s.setMode(r, "")
}

// putSubjectMode answers PUT /mode/{subject}, with force. The subject need not have a schema yet.
func (s *Server) putSubjectMode(r *http.Request) (any, error) {
	subject, err := subjectOf(r)
	if err != nil {
		return nil, err
	}
	return s.setMode(r, subject)
}

func (s *Server) setMode(r *http.Request, subject string) (any, error) {
	var q modeBody
	if err := body(r, &q); err != nil {
		return nil, err
	}
	mode := strings.ToUpper(q.Mode)
	if !validMode(mode) {
		return nil, refuse(codeInvalidMode, "Invalid mode %q. Valid values are READWRITE, READONLY, READONLY_OVERRIDE and IMPORT.", q.Mode)
	}
	return s.write(r.Context(), func(st *state) (outcome, error) {
		occupied := len(st.subjects[subject]) > 0 || subject == "" && len(st.subjects) > 0
		if mode == modeImport && occupied && !isSet(r, "force") {
			return outcome{}, refuse(codeNotPermitted, "There are schemas already, and IMPORT is for an empty registry or subject; force=true sets it nevertheless.")
		}
		if st.modes[subject] == mode {
			return outcome{answer: modeBody{mode}}, nil
		}
		return outcome{modeBody{mode}, newRecord(kindMode, recordValue{Subject: subject, Mode: mode})}, nil
	})
}

// deleteMode answers DELETE /mode by the mode that held; from then on READWRITE holds.
func (s *Server) deleteMode(r *http.Request) (any, error) {
	return s.write(r.Context(), func(st *state) (outcome, error) {
		if _, ok := st.modes[""]; !ok {
			return outcome{answer: modeBody{modeReadWrite}}, nil
		}
		return outcome{modeBody{st.modes[""]}, newRecord(kindMode, recordValue{Deleted: true})}, nil
	})
}

// deleteSubjectMode answers DELETE /mode/{subject} by the mode that held for it.
func (s *Server) deleteSubjectMode(r *http.Request) (any, error) {
	subject, err := subjectOf(r)
	if err != nil {
		return nil, err
	}
	return s.write(r.Context(), func(st *state) (outcome, error) {
		own, ok := st.modes[subject]
		if !ok {
			return outcome{}, subjectNotFound(subject)
		}
		return outcome{modeBody{own}, newRecord(kindMode, recordValue{Subject: subject, Deleted: true})}, nil
	})
}
