package broker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
)

// The files of a data folder. Only starts.json, ends.bin and lock are ours, the others are kfake's.
const (
	metaFile      = "meta.json"
	topicsFile    = "topics.json"
	producersFile = "pids.log"
	groupsFile    = "groups.log"
	windowsFile   = "seq_windows.json"
	sessionFile   = "session_state.json"
	snapshotFile  = "snapshot.json"
	startsFile    = "starts.json"
	endsFile      = "ends.bin"
	partitionsDir = "partitions"

	segmentSuffix = ".dat"
	indexSuffix   = ".idx"
	partialSuffix = ".tmp"
)

// formatVersion is the version of all of kfake's files.
const formatVersion = 1

// folder is what the check found in a data folder, and what the repair will do about it.
type folder struct {
	dir        string
	topics     []topicMeta
	starts     *starts
	partitions []*partition
	producers  producers
	groups     frames
	ends       ends // what was promised; after the repair, what there is
}

// topicMeta is a topic of topics.json.
type topicMeta struct {
	Name       string `json:"name"`
	ID         string `json:"id"`
	Partitions int32  `json:"partitions"`
}

// id returns the id in bytes; one that cannot be read is no topic's.
func (t topicMeta) id() (id [16]byte) {
	raw, err := base64.StdEncoding.DecodeString(t.ID)
	if err == nil {
		copy(id[:], raw)
	}
	return id
}

// Check reads every byte of the log in a data folder that no broker has open, and changes nothing. Damage is reported
// as [Open] would report it, all of it; what Open would repair is none.
func Check(ctx context.Context, dir string) error {
	lock, err := lockFolder(dir)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	defer lock.Close()
	f, err := checkFolder(ctx, dir)
	if err == nil {
		err = f.checkEnds(nil)
	}
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	return nil
}

func checkFolder(ctx context.Context, dir string) (*folder, error) {
	f := &folder{dir: dir}
	var err error
	if f.topics, err = readTopics(dir); err != nil {
		return nil, err
	}
	if f.starts, err = readStarts(dir); err != nil {
		return nil, err
	}
	if f.ends, err = readEnds(dir); err != nil {
		return nil, err
	}
	if err := f.list(); err != nil {
		return nil, err
	}
	if f.producers, err = readProducers(filepath.Join(dir, producersFile), f.ends.producers); err != nil {
		return nil, err
	}
	if f.groups, err = readFrames(filepath.Join(dir, groupsFile), f.ends.groups); err != nil {
		return nil, err
	}
	return f, f.scan(ctx)
}

// readTopics returns the topics of the folder, none where the folder is new.
func readTopics(dir string) ([]topicMeta, error) {
	var meta struct {
		Version int `json:"version"`
	}
	found, err := readJSON(filepath.Join(dir, metaFile), &meta)
	if err != nil {
		return nil, err
	}
	var file struct {
		Version int         `json:"version"`
		Topics  []topicMeta `json:"topics"`
	}
	known, err := readJSON(filepath.Join(dir, topicsFile), &file)
	if err != nil {
		return nil, err
	}
	for name, there := range map[string]bool{metaFile: found, endsFile: exists(filepath.Join(dir, endsFile))} {
		if known && !there {
			return nil, &DamageError{File: filepath.Join(dir, name), Offset: -1, Problem: "is missing, although the folder holds topics"}
		}
	}
	for name, version := range map[string]int{metaFile: meta.Version, topicsFile: file.Version} {
		if version > formatVersion {
			return nil, fmt.Errorf("%s is of version %d, and this program reads up to version %d: use a newer one", filepath.Join(dir, name), version, formatVersion)
		}
	}
	return file.Topics, nil
}

// list finds the partitions of the topics, and refuses folders of partitions that belong to no topic: a topic of that
// name made later would go on in them.
func (f *folder) list() error {
	known := map[string]bool{}
	for _, t := range f.topics {
		for n := range t.Partitions {
			p := &partition{topic: t.Name, number: n, start: f.starts.of(t.ID, n), dir: partitionDir(f.dir, t.Name, n)}
			p.id, p.promised = t.id(), max(p.start, f.ends.of(t.id(), n))
			known[filepath.Base(p.dir)] = true
			if !f.starts.deleting(t.ID) {
				f.partitions = append(f.partitions, p)
			}
		}
	}
	parent := filepath.Join(f.dir, partitionsDir)
	entries, err := os.ReadDir(parent)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		dir := filepath.Join(parent, e.Name())
		if files, err := os.ReadDir(dir); err == nil && len(files) > 0 && !known[e.Name()] {
			return &DamageError{File: dir, Offset: -1, Problem: "belongs to no topic in " + filepath.Join(f.dir, topicsFile)}
		}
	}
	return nil
}

// partitionDir is where kfake keeps a partition.
func partitionDir(dir, topic string, number int32) string {
	return filepath.Join(dir, partitionsDir, fmt.Sprintf("%s-%d", url.PathEscape(topic), number))
}

// scan checks all partitions, as many at a time as there are processors, and reports the damage of each.
func (f *folder) scan(ctx context.Context) error {
	next := make(chan *partition)
	problems := make([]error, len(f.partitions))
	index := map[*partition]int{}
	for i, p := range f.partitions {
		index[p] = i
	}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for p := range next {
				problems[index[p]] = p.scan(ctx)
			}
		})
	}
	for _, p := range f.partitions {
		next <- p
	}
	close(next)
	workers.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(problems...)
}

// checkEnds refuses partitions that end before what was promised of them, or seen by the caller.
func (f *folder) checkEnds(seen map[string]map[int32]int64) error {
	var problems []error
	ends := map[string]map[int32]int64{}
	for _, p := range f.partitions {
		if ends[p.topic] == nil {
			ends[p.topic] = map[int32]int64{}
		}
		ends[p.topic][p.number] = p.end
		if p.end < p.promised {
			problems = append(problems, behind(p.dir, p.end, p.promised))
		}
	}
	for _, topic := range slices.Sorted(maps.Keys(seen)) {
		for _, number := range slices.Sorted(maps.Keys(seen[topic])) {
			if end := ends[topic][number]; end < seen[topic][number] {
				problems = append(problems, behind(partitionDir(f.dir, topic, number), end, seen[topic][number]))
			}
		}
	}
	return errors.Join(problems...)
}

func behind(dir string, end, seen int64) error {
	return fmt.Errorf("%s ends at offset %d, and %d was seen: %w", dir, end, seen, ErrBehind)
}

// losses counts what a crash left and the repair will take away: torn batches, and transactions of one partition.
func (f *folder) losses() (torn, unfinished int) {
	for _, p := range f.partitions {
		for _, c := range p.cuts {
			if c.torn {
				torn++
			}
		}
		unfinished += len(p.open)
	}
	return torn, unfinished
}

// readJSON reads a file of one JSON value. A file that is missing is not found; one that cannot be read is damaged.
func readJSON(path string, v any) (found bool, err error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		var syntax *json.SyntaxError
		at := int64(0)
		if errors.As(err, &syntax) {
			at = syntax.Offset
		}
		return false, &DamageError{File: path, At: at, Offset: -1, Problem: "cannot be read: " + err.Error()}
	}
	return true, nil
}

// writeJSON replaces a file by one JSON value: either the old or the new one is there, whatever happens, and the new
// one once it has returned.
func writeJSON(path string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return replaceFile(path, raw)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

func replaceFile(path string, raw []byte) error {
	f, err := os.Create(path + partialSuffix)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+partialSuffix, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
