package projection

import (
	"context"

	"github.com/refold/refold/schemas/codec"
	"github.com/refold/refold/streams/timeline"
)

// Together folds records for several folders at once, so that what they name of a record is read once. It is used
// by one goroutine at a time.
type Together struct {
	folders []Folder
	failed  func(folder int, err error)
	// known remembers what to do with records of a schema id, and now is that of the last one.
	known map[int]*joint
	last  int
	now   *joint
}

// joint is what folders do with the records of a schema.
type joint struct {
	schema *codec.Schema
	all    *codec.Together
	parts  []part
}

// part is what one of them does.
type part struct {
	folder int
	handling
}

// handling is what a folder does with the records of a schema.
type handling struct {
	schema *codec.Schema
	// fields are read first; nil where such records are not read.
	fields codec.Fields
	fold   func(*timeline.Record) error
}

// joining is a folder that can fold together with others.
type joining interface {
	handling(schema int) (handling, error)
}

// Join returns what folds for folders. It calls failed where one of them, by its index, fails to fold a record;
// that one must not be folded for any more.
func Join(folders []Folder, failed func(folder int, err error)) *Together {
	return &Together{folders: folders, failed: failed, known: make(map[int]*joint)}
}

// Fold folds one record for every folder, as Folder.Fold does.
func (t *Together) Fold(rec *timeline.Record) {
	id, err := codec.SchemaID(rec.Value)
	if err != nil {
		t.fail(err)
		return
	}
	if t.now == nil || id != t.last {
		t.turn(id)
	}
	if t.now.all == nil || t.now.all.Fill(t.now.schema, rec.Value) != nil {
		t.alone(rec)
		return
	}
	for i := range t.now.parts {
		p := &t.now.parts[i]
		if err := p.fold(rec); err != nil {
			t.failed(p.folder, err)
		}
	}
}

// alone has every folder read by itself.
func (t *Together) alone(rec *timeline.Record) {
	for i, f := range t.folders {
		if err := f.Fold(rec); err != nil {
			t.failed(i, err)
		}
	}
}

func (t *Together) fail(err error) {
	for i := range t.folders {
		t.failed(i, err)
	}
}

// turn makes another schema the last one.
func (t *Together) turn(id int) {
	if t.known[id] == nil {
		t.known[id] = t.joint(id)
	}
	t.last, t.now = id, t.known[id]
}

// joint finds out what the folders do with records of a schema. Where it is not one schema for all, or one of them
// cannot tell, each reads by itself.
func (t *Together) joint(id int) *joint {
	out := new(joint)
	var fields []codec.Fields
	for i, f := range t.folders {
		member, ok := f.(joining)
		if !ok {
			return new(joint)
		}
		h, err := member.handling(id)
		if err != nil || out.schema != nil && h.schema != out.schema {
			return new(joint)
		}
		out.schema = h.schema
		if h.fields != nil {
			out.parts = append(out.parts, part{i, h})
			fields = append(fields, h.fields)
		}
	}
	out.all = codec.Join(fields)
	return out
}

// handling implements joining.
func (f *folder[R]) handling(id int) (handling, error) {
	if h, ok := f.known[id]; ok {
		return h, nil
	}
	schema, err := f.codec.ByID(context.Background(), id)
	if err != nil {
		return handling{}, err
	}
	h := handling{schema: schema}
	if bind := f.binds[schema.Name]; bind != nil {
		h.fields, h.fold = bind(schema, &f.rows)
	}
	f.known[id] = h
	return h, nil
}
