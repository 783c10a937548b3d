package broker

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
)

// starts remembers where each partition begins, which kfake forgets in a crash, and which topics are being deleted.
// It is keyed by topic id, so that a topic made again under the same name begins at zero.
type starts struct {
	dir    string
	topics map[string]*topicStarts
}

type topicStarts struct {
	Name     string          `json:"name"`
	Deleting bool            `json:"deleting,omitempty"`
	Starts   map[int32]int64 `json:"starts,omitempty"`
}

type startsJSON struct {
	Version int                     `json:"version"`
	Topics  map[string]*topicStarts `json:"topics"`
}

func readStarts(dir string) (*starts, error) {
	var file startsJSON
	path := filepath.Join(dir, startsFile)
	if _, err := readJSON(path, &file); err != nil {
		return nil, err
	}
	if file.Version > formatVersion {
		return nil, fmt.Errorf("%s is of version %d, and this program reads up to version %d: use a newer one", path, file.Version, formatVersion)
	}
	if file.Topics == nil {
		file.Topics = map[string]*topicStarts{}
	}
	return &starts{dir: dir, topics: file.Topics}, nil
}

// topicID is how topics.json writes an id.
func topicID(id [16]byte) string { return base64.StdEncoding.EncodeToString(id[:]) }

// save returns when the starts are on disk.
func (s *starts) save() error {
	err := writeJSON(filepath.Join(s.dir, startsFile), startsJSON{Version: formatVersion, Topics: s.topics})
	if err != nil {
		return fmt.Errorf("save log starts: %w", err)
	}
	return nil
}

func (s *starts) of(topicID string, partition int32) int64 {
	if t := s.topics[topicID]; t != nil {
		return t.Starts[partition]
	}
	return 0
}

func (s *starts) deleting(topicID string) bool {
	t := s.topics[topicID]
	return t != nil && t.Deleting
}

func (s *starts) topic(id, name string) *topicStarts {
	if s.topics[id] == nil {
		s.topics[id] = &topicStarts{Name: name, Starts: map[int32]int64{}}
	}
	if s.topics[id].Starts == nil {
		s.topics[id].Starts = map[int32]int64{}
	}
	return s.topics[id]
}

// keep forgets the topics that are no more.
func (s *starts) keep(topics []topicMeta) {
	kept := map[string]*topicStarts{}
	for _, t := range topics {
		if found := s.topics[t.ID]; found != nil {
			kept[t.ID] = found
		}
	}
	s.topics = kept
}
