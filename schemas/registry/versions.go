package registry

import (
	"net/http"
	"slices"
)

func (s *Server) versionRoutes() map[string]methods {
	const one = "/subjects/{subject}/versions/{version}"
	return map[string]methods{
		"/subjects/{subject}/versions": {"GET": s.listVersions, "POST": s.registerSchema},
		one:                            {"GET": s.getVersion, "DELETE": s.deleteVersion},
		one + "/schema":                {"GET": s.getVersionText},
		one + "/referencedby":          {"GET": s.listReferrers},
	}
}

// listVersions answers GET /subjects/{subject}/versions, with deleted, deletedOnly, offset and limit.
func (s *Server) listVersions(r *http.Request) (any, error) {
	subject, err := subjectOf(r)
	if err != nil {
		return nil, err
	}
	filter := filterOf(r)
	return read(r.Context(), s, func(st *state) (any, error) {
		found := st.versions(subject, filter)
		if len(found) == 0 {
			return nil, subjectNotFound(subject)
		}
		return page(r, numbers(found))
	})
}

// registerSchema answers POST /subjects/{subject}/versions by the id of the schema.
func (s *Server) registerSchema(r *http.Request) (any, error) {
	subject, err := subjectOf(r)
	if err != nil {
		return nil, err
	}
	var q schemaRequest
	if err := body(r, &q); err != nil {
		return nil, err
	}
	return s.write(r.Context(), func(st *state) (outcome, error) {
		return s.register(st, subject, q)
	})
}

// versionAnswer describes a version of a subject.
type versionAnswer struct {
	Subject    string      `json:"subject"`
	Version    int         `json:"version"`
	ID         int         `json:"id"`
	References []reference `json:"references,omitempty"`
	Schema     string      `json:"schema"`
}

func describe(subject string, v version, text string) versionAnswer {
	return versionAnswer{subject, v.number, v.schema.id, v.schema.references, text}
}

// getVersion answers GET /subjects/{subject}/versions/{version}, with deleted and format.
func (s *Server) getVersion(r *http.Request) (any, error) {
	return s.findVersion(r)
}

// getVersionText answers GET /subjects/{subject}/versions/{version}/schema, with deleted and format.
func (s *Server) getVersionText(r *http.Request) (any, error) {
	answer, err := s.findVersion(r)
	return plain(answer.Schema), err
}

func (s *Server) findVersion(r *http.Request) (versionAnswer, error) {
	at, err := pathOf(r)
	if err != nil {
		return versionAnswer{}, err
	}
	return read(r.Context(), s, func(st *state) (versionAnswer, error) {
		v, err := st.version(at, filterOf(r))
		if err != nil {
			return versionAnswer{}, err
		}
		text, err := st.format(v.schema, r)
		return describe(at.subject, v, text), err
	})
}

// listReferrers answers GET /subjects/{subject}/versions/{version}/referencedby, with deleted: the ids of the schemas
// that refer to this version.
func (s *Server) listReferrers(r *http.Request) (any, error) {
	at, err := pathOf(r)
	if err != nil {
		return nil, err
	}
	return read(r.Context(), s, func(st *state) (any, error) {
		v, err := st.version(at, withDeleted)
		if err != nil {
			return nil, err
		}
		ids := []int{}
		for _, u := range st.referrers(at.subject, filterOf(r), func(n int) bool { return n == v.number }) {
			i, _ := st.search(u.Subject, u.Version)
			ids = append(ids, st.subjects[u.Subject][i].schema.id)
		}
		slices.Sort(ids)
		return slices.Compact(ids), nil
	})
}

// deleteVersion answers DELETE /subjects/{subject}/versions/{version}, with permanent, by the version's number.
func (s *Server) deleteVersion(r *http.Request) (any, error) {
	at, err := pathOf(r)
	if err != nil {
		return nil, err
	}
	how := deletionOf(r)
	return s.write(r.Context(), func(st *state) (outcome, error) {
		v, err := st.deletable(at, how)
		if err != nil {
			return outcome{}, err
		}
		return outcome{v.number, newRecord(kindSchema, recordValue{
			Subject: at.subject, Version: v.number, ID: v.schema.id, Deleted: true, Permanent: how == permanent,
		})}, nil
	})
}

// deletable finds the version to delete and checks that it may be. To delete the latest version softly means the
// latest that is not deleted, if there is one.
func (s *state) deletable(at versionPath, how deletion) (version, error) {
	if readOnly(s.mode(at.subject)) {
		return version{}, readOnlyError(at.subject)
	}
	filter := withDeleted
	if at.number == latest && how == soft && len(s.live(at.subject)) > 0 {
		filter = notDeleted
	}
	v, err := s.version(at, filter)
	switch {
	case err != nil:
		return version{}, err
	case how == soft && v.deleted:
		return version{}, refuse(codeVersionDeleted, "Subject '%s' Version %d was soft deleted. Set permanent=true to delete permanently.", at.subject, v.number)
	case how == permanent && !v.deleted:
		return version{}, refuse(codeVersionNotDeleted, "Subject '%s' Version %d was not deleted first before being permanently deleted.", at.subject, v.number)
	}
	users := s.referrers(at.subject, how.filter(), func(n int) bool { return n == v.number })
	if len(users) > 0 {
		return version{}, refuse(codeReferenceExists, "Version %d of subject %s is referred to by version %d of subject %s.",
			v.number, at.subject, users[0].Version, users[0].Subject)
	}
	return v, nil
}

// version finds one version of a subject.
func (s *state) version(at versionPath, filter deletedFilter) (version, error) {
	found := s.versions(at.subject, filter)
	if len(found) == 0 {
		return version{}, subjectNotFound(at.subject)
	}
	if at.number == latest {
		return found[len(found)-1], nil
	}
	i := slices.IndexFunc(found, func(v version) bool { return v.number == at.number })
	if i < 0 {
		return version{}, versionNotFound(at.number)
	}
	return found[i], nil
}

// format is the text of a schema in the form that the query's parameter format asks for: as it was registered, or,
// for "resolved", with the types of other schemas in their places.
func (s *state) format(sch *schema, r *http.Request) (string, error) {
	if r.URL.Query().Get("format") != "resolved" {
		return sch.text, nil
	}
	return s.resolve(sch.text, sch.references)
}

// versionPath is what the path says of a version.
type versionPath struct {
	subject string
	number  int // or latest
}

func pathOf(r *http.Request) (versionPath, error) {
	subject, err := subjectOf(r)
	if err != nil {
		return versionPath{}, err
	}
	number, err := versionOf(r)
	return versionPath{subject, number}, err
}
