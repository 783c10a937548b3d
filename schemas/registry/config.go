package registry

import (
	"net/http"
	"strings"
)

func (s *Server) configRoutes() map[string]methods {
	return map[string]methods{
		"/config":           {"GET": s.getConfig, "PUT": s.putConfig, "DELETE": s.deleteConfig},
		"/config/{subject}": {"GET": s.getSubjectConfig, "PUT": s.putSubjectConfig, "DELETE": s.deleteSubjectConfig},
	}
}

// configRequest is the body of PUT /config. Of Confluent's other settings only normalize is taken, because it holds
// anyway; the rest are refused as unknown.
type configRequest struct {
	Compatibility string `json:"compatibility"`
	Normalize     *bool  `json:"normalize,omitempty"`
}

// configAnswer describes a compatibility level.
type configAnswer struct {
	Level Compatibility `json:"compatibilityLevel"`
}

// deletedConfig describes the level that is no longer set. Confluent's documentation and clients disagree about the
// member's name, so it has both.
type deletedConfig struct {
	configAnswer
	Compatibility Compatibility `json:"compatibility"`
}

// getConfig answers GET /config.
func (s *Server) getConfig(r *http.Request) (any, error) {
	return read(r.Context(), s, func(st *state) (any, error) {
		return configAnswer{st.compatibility("", s.cfg.Default)}, nil
	})
}

// getSubjectConfig answers GET /config/{subject}, with defaultToGlobal.
func (s *Server) getSubjectConfig(r *http.Request) (any, error) {
	subject, err := subjectOf(r)
	if err != nil {
		return nil, err
	}
	return read(r.Context(), s, func(st *state) (any, error) {
		if _, ok := st.levels[subject]; !ok && !isSet(r, "defaultToGlobal") {
			return nil, refuse(codeNoSubjectCompatibility, "Subject '%s' does not have subject-level compatibility configured", subject)
		}
		return configAnswer{st.compatibility(subject, s.cfg.Default)}, nil
	})
}

// putConfig answers PUT /config.
func (s *Server) putConfig(r *http.Request) (any, error) {
	return s.setConfig(r, "")
}

// putSubjectConfig answers PUT /config/{subject}. The subject need not have a schema yet.
func (s *Server) putSubjectConfig(r *http.Request) (any, error) {
	subject, err := subjectOf(r)
	if err != nil {
		return nil, err
	}
	return s.setConfig(r, subject)
}

func (s *Server) setConfig(r *http.Request, subject string) (any, error) {
	var q configRequest
	if err := body(r, &q); err != nil {
		return nil, err
	}
	level := Compatibility(strings.ToUpper(q.Compatibility))
	if !level.valid() {
		return nil, refuse(codeInvalidCompatibility, "Invalid compatibility level %q. Valid values are NONE, BACKWARD, FORWARD, FULL, "+
			"BACKWARD_TRANSITIVE, FORWARD_TRANSITIVE and FULL_TRANSITIVE.", q.Compatibility)
	}
	q.Compatibility = string(level)
	return s.write(r.Context(), func(st *state) (outcome, error) {
		if readOnly(st.mode(subject)) {
			return outcome{}, readOnlyError(subject)
		}
		if st.levels[subject] == level {
			return outcome{answer: q}, nil
		}
		return outcome{q, newRecord(kindConfig, recordValue{Subject: subject, Level: string(level)})}, nil
	})
}

// deleteConfig answers DELETE /config by the level that held; from then on Config.Default holds.
func (s *Server) deleteConfig(r *http.Request) (any, error) {
	return s.write(r.Context(), func(st *state) (outcome, error) {
		if readOnly(st.mode("")) {
			return outcome{}, readOnlyError("")
		}
		level := st.compatibility("", s.cfg.Default)
		if _, ok := st.levels[""]; !ok {
			return outcome{answer: deletedConfig{configAnswer{level}, level}}, nil
		}
		return outcome{deletedConfig{configAnswer{level}, level}, newRecord(kindConfig, recordValue{Deleted: true})}, nil
	})
}

// deleteSubjectConfig answers DELETE /config/{subject} by the level that held for it.
func (s *Server) deleteSubjectConfig(r *http.Request) (any, error) {
	subject, err := subjectOf(r)
	if err != nil {
		return nil, err
	}
	return s.write(r.Context(), func(st *state) (outcome, error) {
		level, ok := st.levels[subject]
		switch {
		case !ok:
			return outcome{}, subjectNotFound(subject)
		case readOnly(st.mode(subject)):
			return outcome{}, readOnlyError(subject)
		}
		return outcome{deletedConfig{configAnswer{level}, level}, newRecord(kindConfig, recordValue{Subject: subject, Deleted: true})}, nil
	})
}
