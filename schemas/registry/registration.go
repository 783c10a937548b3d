package registry

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// schemaRequest is the body of every request that carries a schema.
type schemaRequest struct {
	Schema     string      `json:"schema"`
	SchemaType string      `json:"schemaType"`
	References []reference `json:"references"`
	ID         int         `json:"id"`
	Version    int         `json:"version"`

	// Metadata and rules of Confluent's data contracts are not kept, so they are refused, not dropped.
	Metadata any `json:"metadata"`
	RuleSet  any `json:"ruleSet"`
}

// candidate is a schema that someone asks about: canonical, its references pinned to schemas.
type candidate struct {
	text       string
	references []reference
}

func (c candidate) identity() string { return identity(c.text, c.references) }

// candidate checks a request as far as that can be done without Avro's rules.
func (s *state) candidate(q schemaRequest) (candidate, error) {
	if q.SchemaType != "" && q.SchemaType != "AVRO" {
		return candidate{}, refuse(codeInvalidSchema, "Schema type %q is not supported: this registry keeps AVRO schemas only.", q.SchemaType)
	}
	if q.Metadata != nil || q.RuleSet != nil {
		return candidate{}, refuse(codeInvalidSchema, "Metadata and rule sets are not supported.")
	}
	if strings.TrimSpace(q.Schema) == "" {
		return candidate{}, refuse(codeInvalidSchema, "Empty schema.")
	}
	text, err := canonical(q.Schema)
	if err != nil {
		return candidate{}, refuse(codeInvalidSchema, "Invalid schema: %v.", err)
	}
	references, err := s.pin(s.dated(q.References))
	if err != nil {
		return candidate{}, refuse(codeInvalidSchema, "Invalid schema: %v.", err)
	}
	slices.SortFunc(references, func(a, b reference) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Version, b.Version))
	})
	return candidate{text, slices.Compact(references)}, nil
}

// dated replaces version -1, which means the latest, by its number.
func (s *state) dated(references []reference) []reference {
	dated := slices.Clone(references)
	for i, r := range dated {
		if live := s.live(r.Subject); r.Version == -1 && len(live) > 0 {
			dated[i].Version = live[len(live)-1].number
		}
	}
	return dated
}

// avro checks a candidate against all of Avro's rules.
func (s *state) avro(c candidate) (*avroSchema, error) {
	text, err := s.resolve(c.text, c.references)
	if err != nil {
		return nil, refuse(codeInvalidSchema, "Invalid schema: %v.", err)
	}
	parsed, err := parseSchema(text)
	if err != nil {
		return nil, refuse(codeInvalidSchema, "Invalid schema: %v.", err)
	}
	return parsed, nil
}

// find looks for a schema among the versions of a subject, the latest first.
func (s *state) find(subject, identity string, filter deletedFilter) (version, bool) {
	for _, v := range slices.Backward(s.subjects[subject]) {
		if filter.passes(v) && v.schema.identity() == identity {
			return v, true
		}
	}
	return version{}, false
}

// register decides on the registration of a schema: it answers with its id, and with a record if one must be applied
// first.
func (s *Server) register(st *state, subject string, q schemaRequest) (outcome, error) {
	c, err := st.candidate(q)
	if err != nil {
		return outcome{}, err
	}
	if v, ok := st.find(subject, c.identity(), notDeleted); ok && (q.ID <= 0 || q.ID == v.schema.id) {
		return outcome{answer: idAnswer{v.schema.id}}, nil
	}
	if err := st.mayRegister(subject, q); err != nil {
		return outcome{}, err
	}
	parsed, err := st.avro(c)
	if err != nil {
		return outcome{}, err
	}
	if st.mode(subject) != modeImport {
		if err := s.mayFollow(st, subject, parsed); err != nil {
			return outcome{}, err
		}
	}
	id, err := st.idFor(c, q.ID)
	if err != nil {
		return outcome{}, err
	}
	number := q.Version
	if number <= 0 {
		number = st.nextVersion(subject)
	}
	return outcome{idAnswer{id}, newRecord(kindSchema, recordValue{
		Subject: subject, Version: number, ID: id, Schema: c.text, References: c.references,
	})}, nil
}

type idAnswer struct {
	ID int `json:"id"`
}

// mayRegister checks the mode, and the id and version that a request asks for.
func (s *state) mayRegister(subject string, q schemaRequest) error {
	mode := s.mode(subject)
	switch {
	case readOnly(mode):
		return readOnlyError(subject)
	case q.ID > 0 && mode != modeImport:
		return refuse(codeNotPermitted, "Subject %s is not in import mode, so the id cannot be chosen.", subject)
	case q.ID <= 0 && mode == modeImport:
		return refuse(codeNotPermitted, "Subject %s is in import mode, so the id must be given.", subject)
	case q.Version > 0 && mode != modeImport && q.Version != s.nextVersion(subject):
		return refuse(codeInvalidSchema, "Version %d is not the next version %d of subject %s.", q.Version, s.nextVersion(subject), subject)
	case max(q.Version, q.ID) > math.MaxInt32:
		return refuse(codeInvalidSchema, "Id and version must be below 2^31.")
	}
	if _, taken := s.search(subject, q.Version); taken {
		return refuse(codeNotPermitted, "Subject %s has a version %d already.", subject, q.Version)
	}
	return nil
}

// mayFollow checks the compatibility of a schema with the versions of its subject.
func (s *Server) mayFollow(st *state, subject string, parsed *avroSchema) error {
	level := st.compatibility(subject, s.cfg.Default)
	reasons, err := s.rules.obstacles(st, succession{parsed, level, st.live(subject)})
	if err != nil {
		return err
	}
	if len(reasons) > 0 {
		return refuse(codeIncompatible, "Schema being registered is incompatible with an earlier schema for subject %q, compatibility %s: %s.",
			subject, level, strings.Join(reasons, "; "))
	}
	return nil
}

// idFor is the id of a schema: the one asked for, or the one it has already, or the next.
func (s *state) idFor(c candidate, asked int) (int, error) {
	if asked > 0 {
		if known, ok := s.schemas[asked]; ok && known.identity() != c.identity() {
			return 0, refuse(codeNotPermitted, "Id %d is another schema already, and an id never changes its meaning.", asked)
		}
		return asked, nil
	}
	if id, ok := s.ids[c.identity()]; ok {
		return id, nil
	}
	if s.lastID >= math.MaxInt32 {
		return 0, refuse(codeStore, "There is no id left.")
	}
	return s.lastID + 1, nil
}
