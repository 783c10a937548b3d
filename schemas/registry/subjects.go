package registry

import (
	"net/http"
	"slices"
	"strings"
)

func (s *Server) subjectRoutes() map[string]methods {
	return map[string]methods{
		"/subjects":           {"GET": s.listSubjects},
		"/subjects/{subject}": {"POST": s.lookUpSchema, "DELETE": s.deleteSubject},
	}
}

// listSubjects answers GET /subjects, with subjectPrefix, deleted, deletedOnly, offset and limit.
func (s *Server) listSubjects(r *http.Request) (any, error) {
	prefix := r.URL.Query().Get("subjectPrefix")
	return read(r.Context(), s, func(st *state) (any, error) {
		names := slices.DeleteFunc(st.subjectNames(filterOf(r)), func(name string) bool { return !strings.HasPrefix(name, prefix) })
		return page(r, names)
	})
}

// lookUpSchema answers POST /subjects/{subject}, with deleted: is this schema registered under the subject?
func (s *Server) lookUpSchema(r *http.Request) (any, error) {
	subject, err := subjectOf(r)
	if err != nil {
		return nil, err
	}
	var q schemaRequest
	if err := body(r, &q); err != nil {
		return nil, err
	}
	filter := filterOf(r)
	return read(r.Context(), s, func(st *state) (any, error) {
		if len(st.versions(subject, filter)) == 0 {
			return nil, subjectNotFound(subject)
		}
		c, err := st.candidate(q)
		if err != nil {
			return nil, err
		}
		if v, ok := st.find(subject, c.identity(), filter); ok {
			return describe(subject, v, v.schema.text), nil
		}
		if _, err := st.avro(c); err != nil {
			return nil, err
		}
		return nil, refuse(codeSchemaNotFound, "Schema not found")
	})
}

// deleteSubject answers DELETE /subjects/{subject}, with permanent, by the numbers of the versions deleted.
func (s *Server) deleteSubject(r *http.Request) (any, error) {
	subject, err := subjectOf(r)
	if err != nil {
		return nil, err
	}
	how := deletionOf(r)
	return s.write(r.Context(), func(st *state) (outcome, error) {
		if err := st.mayDeleteSubject(subject, how); err != nil {
			return outcome{}, err
		}
		gone := numbers(st.versions(subject, how.filter()))
		return outcome{gone, newRecord(kindDeleteSubject, recordValue{
			Subject: subject, Version: gone[len(gone)-1], Permanent: how == permanent,
		})}, nil
	})
}

func (s *state) mayDeleteSubject(subject string, how deletion) error {
	switch hasLive := len(s.live(subject)) > 0; {
	case readOnly(s.mode(subject)):
		return readOnlyError(subject)
	case len(s.subjects[subject]) == 0:
		return subjectNotFound(subject)
	case how == soft && !hasLive:
		return refuse(codeSubjectDeleted, "Subject '%s' was soft deleted. Set permanent=true to delete permanently.", subject)
	case how == permanent && hasLive:
		return refuse(codeSubjectNotDeleted, "Subject '%s' was not deleted first before being permanently deleted.", subject)
	}
	for _, u := range s.referrers(subject, how.filter(), func(int) bool { return true }) {
		if u.Subject != subject {
			return refuse(codeReferenceExists, "Subject %s is referred to by version %d of subject %s.", subject, u.Version, u.Subject)
		}
	}
	return nil
}

// referrers lists the versions, of those that filter lets through, which refer to a version of subject whose number
// match accepts.
func (s *state) referrers(subject string, filter deletedFilter, match func(number int) bool) []usage {
	return s.usages(filter, func(_ string, v version) bool {
		return slices.ContainsFunc(v.schema.references, func(r reference) bool {
			return r.Subject == subject && match(r.Version)
		})
	})
}

func numbers(versions []version) []int {
	list := make([]int, len(versions))
	for i, v := range versions {
		list[i] = v.number
	}
	return list
}
