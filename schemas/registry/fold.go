package registry

import (
	"fmt"
	"slices"
)

// fold applies the record at offset to the state. It is pure: no clock, no I/O, and no compatibility rules either, so
// that every instance of every release that folds the same log gets the same ids.
//
// A record says for which state it was wished: after how many applied records. It is applied if that is the state it
// meets; if other records were applied in between it is refused, which changes nothing but st.next, and whoever wished
// it checks the rules again and asks anew. A record wished for a state that has not been reached means that the log
// lost records, and is an error, as is a record that cannot be decoded or contradicts the state it expects. An error
// names the offset and leaves the state as it was.
func (s *state) fold(offset int64, key, value []byte) error {
	if offset < s.next {
		return fmt.Errorf("schema log at offset %d: comes after offset %d", offset, s.next-1)
	}
	r, err := decodeRecord(key, value)
	if err != nil {
		return fmt.Errorf("schema log at offset %d: %w", offset, err)
	}
	if r.key.Kind != kindNoop && r.value.Expect > len(s.applied) {
		return fmt.Errorf("schema log at offset %d: it was written after %d changes, but only %d stand before it: the log has lost records",
			offset, r.value.Expect, len(s.applied))
	}
	if r.key.Kind != kindNoop && r.value.Expect == len(s.applied) {
		if err := s.apply(r); err != nil {
			return fmt.Errorf("schema log at offset %d: %s of subject %q: %w", offset, r.key.Kind, r.key.Subject, err)
		}
		s.applied = append(s.applied, offset)
	}
	s.next = offset + 1
	return nil
}

func (s *state) apply(r *record) error {
	v := r.value
	switch {
	case r.key.Kind == kindSchema && !v.Deleted:
		return s.addVersion(v)
	case r.key.Kind == kindSchema:
		return s.deleteVersion(v)
	case r.key.Kind == kindDeleteSubject:
		return s.deleteSubject(v)
	case r.key.Kind == kindConfig && v.Deleted:
		delete(s.levels, v.Subject)
	case r.key.Kind == kindConfig && Compatibility(v.Level).valid():
		s.levels[v.Subject] = Compatibility(v.Level)
	case r.key.Kind == kindMode && v.Deleted:
		delete(s.modes, v.Subject)
	case r.key.Kind == kindMode && validMode(v.Mode):
		s.modes[v.Subject] = v.Mode
	default:
		return fmt.Errorf("compatibility level %q, mode %q: not known to this release", v.Level, v.Mode)
	}
	return nil
}

// addVersion gives a subject a version, and the schema its id.
func (s *state) addVersion(v recordValue) error {
	at, taken := s.search(v.Subject, v.Version)
	if taken || v.Version < 1 || v.Subject == "" {
		return fmt.Errorf("version %d cannot be added", v.Version)
	}
	references, err := s.pin(v.References)
	if err != nil {
		return err
	}
	sch := &schema{id: v.ID, text: v.Schema, references: references}
	known, ok := s.schemas[v.ID]
	switch {
	case ok && known.identity() != sch.identity():
		return fmt.Errorf("id %d is another schema already", v.ID)
	case ok:
		sch = known
	case v.ID < 1:
		return fmt.Errorf("id %d is no id", v.ID)
	default:
		s.schemas[v.ID] = sch
		s.lastID = max(s.lastID, v.ID)
		if _, ok := s.ids[sch.identity()]; !ok {
			s.ids[sch.identity()] = v.ID
		}
	}
	sch.uses++
	s.subjects[v.Subject] = slices.Insert(s.subjects[v.Subject], at, version{number: v.Version, schema: sch})
	return nil
}

// pin looks up the schema that each reference means now.
func (s *state) pin(references []reference) ([]reference, error) {
	pinned := slices.Clone(references)
	for i, r := range pinned {
		at, ok := s.search(r.Subject, r.Version)
		if !ok {
			return nil, fmt.Errorf("reference %q: subject %q has no version %d", r.Name, r.Subject, r.Version)
		}
		pinned[i].id = s.subjects[r.Subject][at].schema.id
	}
	return pinned, nil
}

func (s *state) deleteVersion(v recordValue) error {
	at, ok := s.search(v.Subject, v.Version)
	if !ok {
		return fmt.Errorf("there is no version %d to delete", v.Version)
	}
	if v.Permanent {
		s.remove(v.Subject, at, at+1)
	} else {
		s.subjects[v.Subject][at].deleted = true
	}
	s.forgetSettings(v.Subject)
	return nil
}

func (s *state) deleteSubject(v recordValue) error {
	at, ok := s.search(v.Subject, v.Version)
	if !ok {
		return fmt.Errorf("there is no version %d to delete up to", v.Version)
	}
	if v.Permanent {
		s.remove(v.Subject, 0, at+1)
	} else {
		for i := range s.subjects[v.Subject][:at+1] {
			s.subjects[v.Subject][i].deleted = true
		}
	}
	s.forgetSettings(v.Subject)
	return nil
}

// remove deletes the versions from index begin up to index end permanently.
func (s *state) remove(subject string, begin, end int) {
	for _, v := range s.subjects[subject][begin:end] {
		v.schema.uses--
	}
	s.subjects[subject] = slices.Delete(s.subjects[subject], begin, end)
	if len(s.subjects[subject]) == 0 {
		delete(s.subjects, subject)
	}
}

// forgetSettings drops compatibility level and mode of a subject whose last version went.
func (s *state) forgetSettings(subject string) {
	if len(s.live(subject)) == 0 {
		delete(s.levels, subject)
		delete(s.modes, subject)
	}
}

// search finds the index of a version in its subject, or where it would stand.
func (s *state) search(subject string, number int) (at int, found bool) {
	return slices.BinarySearchFunc(s.subjects[subject], number, func(v version, n int) int { return v.number - n })
}
