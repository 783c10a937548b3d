package registry

import "net/http"

func (s *Server) compatibilityRoutes() map[string]methods {
	const all = "/compatibility/subjects/{subject}/versions"
	return map[string]methods{
		all:                {"POST": s.checkAll},
		all + "/{version}": {"POST": s.checkOne},
	}
}

// compatibilityAnswer says whether a schema may follow, and with the parameter verbose why not.
type compatibilityAnswer struct {
	Compatible bool     `json:"is_compatible"`
	Messages   []string `json:"messages,omitempty"`
}

// checkAll answers POST /compatibility/subjects/{subject}/versions, with verbose: would this schema be registered, as
// far as its compatibility goes?
func (s *Server) checkAll(r *http.Request) (any, error) {
	return s.checkCompatibility(r, func(st *state, subject string) ([]version, error) {
		return st.live(subject), nil
	})
}

// checkOne answers POST /compatibility/subjects/{subject}/versions/{version}, with verbose: is this schema compatible
// with just that version, by the level of the subject? A subject without versions has no latest one, and any schema is
// compatible with nothing.
func (s *Server) checkOne(r *http.Request) (any, error) {
	number, err := versionOf(r)
	if err != nil {
		return nil, err
	}
	return s.checkCompatibility(r, func(st *state, subject string) ([]version, error) {
		if len(st.live(subject)) == 0 {
			if number != latest {
				return nil, versionNotFound(number)
			}
			return nil, nil
		}
		v, err := st.version(versionPath{subject, number}, notDeleted)
		return []version{v}, err
	})
}

func (s *Server) checkCompatibility(r *http.Request, against func(*state, string) ([]version, error)) (any, error) {
	subject, err := subjectOf(r)
	if err != nil {
		return nil, err
	}
	var q schemaRequest
	if err := body(r, &q); err != nil {
		return nil, err
	}
	return read(r.Context(), s, func(st *state) (any, error) {
		c, err := st.candidate(q)
		if err != nil {
			return nil, err
		}
		parsed, err := st.avro(c)
		if err != nil {
			return nil, err
		}
		earlier, err := against(st, subject)
		if err != nil {
			return nil, err
		}
		reasons, err := s.rules.obstacles(st, succession{parsed, st.compatibility(subject, s.cfg.Default), earlier})
		if err != nil {
			return nil, err
		}
		answer := compatibilityAnswer{Compatible: len(reasons) == 0}
		if isSet(r, "verbose") {
			answer.Messages = reasons
		}
		return answer, nil
	})
}
