package registry

import (
	"net/http"
	"strconv"
	"strings"
)

func (s *Server) schemaRoutes() map[string]methods {
	return map[string]methods{
		"/schemas":                   {"GET": s.listSchemas},
		"/schemas/types":             {"GET": s.listTypes},
		"/schemas/ids/{id}":          {"GET": s.getSchema},
		"/schemas/ids/{id}/schema":   {"GET": s.getSchemaText},
		"/schemas/ids/{id}/subjects": {"GET": s.listSchemaSubjects},
		"/schemas/ids/{id}/versions": {"GET": s.listSchemaVersions},
	}
}

// listTypes answers GET /schemas/types.
func (s *Server) listTypes(*http.Request) (any, error) {
	return []string{"AVRO"}, nil
}

// listSchemas answers GET /schemas, with subjectPrefix, deleted, latestOnly, offset and limit.
func (s *Server) listSchemas(r *http.Request) (any, error) {
	prefix, filter, latestOnly := r.URL.Query().Get("subjectPrefix"), filterOf(r), isSet(r, "latestOnly")
	return read(r.Context(), s, func(st *state) (any, error) {
		found := []versionAnswer{}
		for _, subject := range st.subjectNames(withDeleted) {
			versions := st.versions(subject, filter)
			if !strings.HasPrefix(subject, prefix) || len(versions) == 0 {
				continue
			}
			if latestOnly {
				versions = versions[len(versions)-1:]
			}
			for _, v := range versions {
				found = append(found, describe(subject, v, v.schema.text))
			}
		}
		return page(r, found)
	})
}

// schemaAnswer describes a schema by itself.
type schemaAnswer struct {
	Schema     string      `json:"schema"`
	References []reference `json:"references,omitempty"`
	MaxID      int         `json:"maxId,omitempty"`
}

// getSchema answers GET /schemas/ids/{id}, with format and fetchMaxId. A schema whose versions are all soft-deleted is
// found, so that what was written with it can be read.
func (s *Server) getSchema(r *http.Request) (any, error) {
	return s.findSchema(r)
}

// getSchemaText answers GET /schemas/ids/{id}/schema, with format.
func (s *Server) getSchemaText(r *http.Request) (any, error) {
	answer, err := s.findSchema(r)
	return plain(answer.Schema), err
}

func (s *Server) findSchema(r *http.Request) (schemaAnswer, error) {
	return read(r.Context(), s, func(st *state) (schemaAnswer, error) {
		sch, err := st.schemaOf(r)
		if err != nil {
			return schemaAnswer{}, err
		}
		text, err := st.format(sch, r)
		answer := schemaAnswer{Schema: text, References: sch.references}
		if isSet(r, "fetchMaxId") {
			answer.MaxID = st.lastID
		}
		return answer, err
	})
}

// listSchemaSubjects answers GET /schemas/ids/{id}/subjects, with deleted.
func (s *Server) listSchemaSubjects(r *http.Request) (any, error) {
	found, err := s.usagesOf(r)
	if err != nil {
		return nil, err
	}
	subjects := []string{}
	for _, u := range found {
		if len(subjects) == 0 || subjects[len(subjects)-1] != u.Subject {
			subjects = append(subjects, u.Subject)
		}
	}
	return page(r, subjects)
}

// listSchemaVersions answers GET /schemas/ids/{id}/versions, with deleted.
func (s *Server) listSchemaVersions(r *http.Request) (any, error) {
	found, err := s.usagesOf(r)
	if err != nil {
		return nil, err
	}
	return page(r, found)
}

// usagesOf lists the versions that have the schema which the path names, of the subject which the query names, if any.
func (s *Server) usagesOf(r *http.Request) ([]usage, error) {
	only := r.URL.Query().Get("subject")
	return read(r.Context(), s, func(st *state) ([]usage, error) {
		sch, err := st.schemaOf(r)
		if err != nil {
			return nil, err
		}
		return st.usages(filterOf(r), func(subject string, v version) bool {
			return v.schema == sch && (only == "" || only == subject)
		}), nil
	})
}

// schemaOf finds the schema that the path names.
func (s *state) schemaOf(r *http.Request) (*schema, error) {
	text := r.PathValue("id")
	id, err := strconv.Atoi(text)
	sch := s.schemas[id]
	if err != nil || sch == nil || sch.uses == 0 {
		return nil, refuse(codeSchemaNotFound, "Schema %s not found", text)
	}
	return sch, nil
}
