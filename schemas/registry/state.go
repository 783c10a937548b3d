package registry

import (
	"fmt"
	"maps"
	"slices"
)

// state is everything the registry knows: the fold of the log up to, and without, offset next.
// Its methods read; only those in fold.go change it. It has no lock: Server guards it.
type state struct {
	next     int64                    // the offset after the last record folded
	applied  []int64                  // the offsets of the records that changed something, ascending
	subjects map[string][]version     // ascending by number, soft-deleted versions among them; never an empty list
	schemas  map[int]*schema          // by id, also those whose last version was deleted permanently
	ids      map[string]int           // the first id of each schema, by its identity
	lastID   int                      // the highest id ever given
	levels   map[string]Compatibility // by subject, "" being the whole registry
	modes    map[string]string        // by subject, "" being the whole registry
}

// version is one entry of a subject.
type version struct {
	number  int
	schema  *schema
	deleted bool // softly: hidden, but its number is taken and its schema can still be read
}

// schema is one schema under one id, and never changes.
type schema struct {
	id         int
	text       string // canonical
	references []reference
	uses       int // how many versions, soft-deleted ones too, of any subject have it
}

// reference names a version of another subject in which types are defined that a schema uses.
type reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`

	// id is the schema that the version had when the reference was registered. It keeps its meaning even if the
	// version is deleted permanently and its number given to another schema.
	id int
}

func emptyState() *state {
	return &state{
		subjects: map[string][]version{},
		schemas:  map[int]*schema{},
		ids:      map[string]int{},
		levels:   map[string]Compatibility{},
		modes:    map[string]string{},
	}
}

// identity is equal for two schemas exactly when they are the same schema and share one id.
func identity(text string, references []reference) string {
	out := []byte(text)
	for _, r := range references {
		out = fmt.Appendf(out, "\x00%q %q %d %d", r.Name, r.Subject, r.Version, r.id)
	}
	return string(out)
}

func (s *schema) identity() string { return identity(s.text, s.references) }

// wasApplied tells whether the record at offset, which must be folded already, changed the state.
func (s *state) wasApplied(offset int64) bool {
	_, found := slices.BinarySearch(s.applied, offset)
	return found
}

// live lists the versions of a subject that are not deleted.
func (s *state) live(subject string) []version {
	return slices.DeleteFunc(slices.Clone(s.subjects[subject]), func(v version) bool { return v.deleted })
}

// versions lists the versions of a subject that filter lets through.
func (s *state) versions(subject string, filter deletedFilter) []version {
	return slices.DeleteFunc(slices.Clone(s.subjects[subject]), func(v version) bool { return !filter.passes(v) })
}

// subjectNames lists, in alphabetical order, the subjects that have a version which filter lets through. A subject is
// "deleted only" when it has no version that is not deleted.
func (s *state) subjectNames(filter deletedFilter) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.subjects)) {
		isLive := len(s.live(name)) > 0
		if isLive && filter != onlyDeleted || !isLive && filter != notDeleted {
			names = append(names, name)
		}
	}
	return names
}

// compatibility is the level in force for a subject: its own, or that of the registry, or else standard.
func (s *state) compatibility(subject string, standard Compatibility) Compatibility {
	if level, ok := s.levels[subject]; ok {
		return level
	}
	if level, ok := s.levels[""]; ok {
		return level
	}
	return standard
}

// mode is the mode in force for a subject. READONLY_OVERRIDE for the whole registry outdoes the subject's own.
func (s *state) mode(subject string) string {
	global, ok := s.modes[""]
	if !ok {
		global = modeReadWrite
	}
	if own, ok := s.modes[subject]; ok && global != modeReadOnlyOverride {
		return own
	}
	return global
}

// nextVersion is the number that the next version of a subject gets. As in Confluent's registry a soft-deleted
// version keeps its number, and a subject deleted permanently begins at 1 again.
func (s *state) nextVersion(subject string) int {
	versions := s.subjects[subject]
	if len(versions) == 0 {
		return 1
	}
	return versions[len(versions)-1].number + 1
}

// usage is one version that has a certain schema.
type usage struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// usages lists the versions for which match holds, by subject and number.
func (s *state) usages(filter deletedFilter, match func(subject string, v version) bool) []usage {
	found := []usage{}
	for _, name := range slices.Sorted(maps.Keys(s.subjects)) {
		for _, v := range s.subjects[name] {
			if filter.passes(v) && match(name, v) {
				found = append(found, usage{name, v.number})
			}
		}
	}
	return found
}

// deletion is a way to delete.
type deletion int

const (
	soft      deletion = iota // hides versions, whose schemas can still be read by id
	permanent                 // of what was deleted softly
)

// filter lets the versions through that a deletion is about. It is also about their references: for a permanent one,
// those of versions that are deleted softly stand against it, too, so that every reference shown can be followed.
func (d deletion) filter() deletedFilter {
	if d == permanent {
		return withDeleted
	}
	return notDeleted
}

// deletedFilter says which versions a question is about.
type deletedFilter int

const (
	notDeleted deletedFilter = iota
	withDeleted
	onlyDeleted
)

func (f deletedFilter) passes(v version) bool {
	return f == withDeleted || v.deleted == (f == onlyDeleted)
}
