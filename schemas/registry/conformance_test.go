package registry

import (
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
)

// The tests of this file talk to the registry with franz-go's client, which was written against Confluent's.

func schemaOf(text string, references ...sr.SchemaReference) sr.Schema {
	return sr.Schema{Schema: text, References: references}
}

func money() sr.Schema {
	return schemaOf(`{"type":"record","name":"Money","fields":[{"name":"minor","type":"long"}]}`)
}

func moneyWithUnit() sr.Schema {
	return schemaOf(`{"type":"record","name":"Money","fields":[{"name":"minor","type":"long"},{"name":"unit","type":"string","default":"EUR"}]}`)
}

// franz is a franz-go client of a registry, in which two versions of money are registered, and leg, which refers to
// the first.
func franz(t *testing.T) *sr.Client {
	t.Helper()
	c, err := sr.NewClient(sr.URLs(start(t, &memLog{}, Config{}).url))
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		subject string
		schema  sr.Schema
		version int
	}{
		{"money", money(), 1},
		{"money", moneyWithUnit(), 2},
		{"leg", schemaOf(`{"type":"array","items":"Money"}`, sr.SchemaReference{Name: "Money", Subject: "money", Version: 1}), 1},
	} {
		got, err := c.CreateSchema(t.Context(), step.subject, step.schema)
		if err != nil || got.ID != i+1 || got.Version != step.version || got.Subject != step.subject {
			t.Fatalf("create %s: got %+v, %v, want id %d, version %d", step.subject, got, err, i+1, step.version)
		}
	}
	return c
}

// expect stops the test unless err is nil and ok holds.
func expect(t *testing.T, what string, err error, ok bool) {
	t.Helper()
	if err != nil || !ok {
		t.Fatalf("%s: got error %v, as wanted: %v; want no error, and true", what, err, ok)
	}
}

// expectCode stops the test unless err is what the registry answers by this code.
func expectCode(t *testing.T, what string, err error, want *sr.Error) {
	t.Helper()
	var refused *sr.ResponseError
	if !errors.As(err, &refused) || refused.SchemaError() != want {
		t.Fatalf("%s: got %v, want %d", what, err, want.Code)
	}
}

func TestConformanceRead(t *testing.T) {
	c, ctx := franz(t), t.Context()
	types, err := c.SupportedTypes(ctx)
	expect(t, "types", err, slices.Equal(types, []sr.SchemaType{sr.TypeAvro}))
	found, err := c.LookupSchema(ctx, "money", money())
	expect(t, "look up", err, found.ID == 1 && found.Version == 1)
	text, err := c.SchemaTextByVersion(ctx, "money", -1)
	expect(t, "text of the latest version", err, text == moneyWithUnit().Schema)
	text, err = c.SchemaTextByID(ctx, 1)
	expect(t, "text by id", err, text == money().Schema)
	leg, err := c.SchemaByID(ctx, 3)
	expect(t, "schema with a reference", err, len(leg.References) == 1 && leg.References[0].Subject == "money")
	all, err := c.AllSchemas(ctx)
	expect(t, "all schemas", err, len(all) == 3)
	mine, err := c.Schemas(ctx, "money")
	expect(t, "schemas of a subject", err, len(mine) == 2)
	users, err := c.SchemaReferences(ctx, "money", 1)
	expect(t, "who refers to a version", err, len(users) == 1 && users[0].Subject == "leg")
	subjects, err := c.SubjectsByID(ctx, 1)
	expect(t, "subjects by id", err, slices.Equal(subjects, []string{"money"}))
	_, err = c.SchemaByID(ctx, 99)
	expectCode(t, "schema that is not there", err, sr.ErrSchemaNotFound)
}

func TestConformanceCompatibility(t *testing.T) {
	c, ctx := franz(t), t.Context()
	is, err := c.CheckCompatibility(sr.WithParams(ctx, sr.Verbose), "money", -2, schemaOf(`"int"`))
	expect(t, "check an incompatible schema", err, !is.Is && len(is.Messages) > 0)
	is, err = c.CheckCompatibility(ctx, "money", -1, money())
	expect(t, "check a compatible schema", err, is.Is)
	_, err = c.CreateSchema(ctx, "money", schemaOf(`"int"`))
	expectCode(t, "create an incompatible schema", err, sr.ErrIncompatibleSchema)
	_, err = c.CreateSchema(ctx, "money", schemaOf(`"integer"`))
	expectCode(t, "create what is no schema", err, sr.ErrInvalidSchema)
}

func TestConformanceSettings(t *testing.T) {
	c, ctx := franz(t), t.Context()
	set := c.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatNone}, "money", sr.GlobalSubject)
	expect(t, "set compatibility", errors.Join(set[0].Err, set[1].Err), set[0].Level == sr.CompatNone)
	have := c.Compatibility(ctx, "money")
	expect(t, "compatibility", have[0].Err, have[0].Level == sr.CompatNone)
	reset := c.ResetCompatibility(ctx, "money", sr.GlobalSubject)
	expect(t, "reset compatibility", errors.Join(reset[0].Err, reset[1].Err), reset[0].Level == sr.CompatNone)
	have = c.Compatibility(ctx, "money")
	expectCode(t, "compatibility that is not set", have[0].Err, sr.ErrSubjectLevelCompatibilityNotConfigured)
	have = c.Compatibility(sr.WithParams(ctx, sr.DefaultToGlobal), "money")
	expect(t, "compatibility of the registry", have[0].Err, have[0].Level == sr.CompatFullTransitive)

	modes := c.SetMode(ctx, sr.ModeReadOnly)
	expect(t, "set mode", modes[0].Err, modes[0].Mode == sr.ModeReadOnly)
	_, err := c.DeleteSubject(ctx, "leg", sr.SoftDelete)
	expectCode(t, "delete while read-only", err, sr.ErrOperationNotPermitted)
	modes = c.Mode(ctx, "leg")
	expectCode(t, "mode that is not set", modes[0].Err, sr.ErrSubjectLevelModeNotConfigured)
	modes = c.ResetMode(ctx)
	expect(t, "reset mode", modes[0].Err, modes[0].Mode == sr.ModeReadOnly)

	modes = c.SetMode(ctx, sr.ModeImport)
	expectCode(t, "import mode of a registry in use", modes[0].Err, sr.ErrOperationNotPermitted)
	modes = c.SetMode(sr.WithParams(ctx, sr.Force), sr.ModeImport)
	expect(t, "import mode by force", modes[0].Err, modes[0].Mode == sr.ModeImport)
	imported, err := c.CreateSchemaWithIDAndVersion(ctx, "old", schemaOf(`"int"`), 41, 7)
	expect(t, "import", err, imported.ID == 41 && imported.Version == 7)
}

func TestConformanceDelete(t *testing.T) {
	c, ctx := franz(t), t.Context()
	err := c.DeleteSchema(ctx, "money", 1, sr.SoftDelete)
	expectCode(t, "delete what is referred to", err, sr.ErrReferenceExists)
	_, err = c.DeleteSubject(ctx, "leg", sr.HardDelete)
	expectCode(t, "delete a subject permanently first", err, sr.ErrSubjectNotSoftDeleted)
	err = c.DeleteSchema(ctx, "money", 2, sr.HardDelete)
	expectCode(t, "delete a version permanently first", err, sr.ErrSchemaVersionNotSoftDeleted)
	for _, how := range []sr.DeleteHow{sr.SoftDelete, sr.HardDelete} {
		gone, err := c.DeleteSubject(ctx, "leg", how)
		expect(t, "delete a subject", err, slices.Equal(gone, []int{1}))
		expect(t, "delete a version", c.DeleteSchema(ctx, "money", 2, how), true)
	}
	names, err := c.Subjects(sr.WithParams(ctx, sr.ShowDeleted))
	expect(t, "subjects that are left", err, slices.Equal(names, []string{"money"}))
	versions, err := c.SubjectVersions(sr.WithParams(ctx, sr.ShowDeleted), "money")
	expect(t, "versions that are left", err, slices.Equal(versions, []int{1}))
	_, err = c.SchemaByID(ctx, 2)
	expectCode(t, "schema that is gone", err, sr.ErrSchemaNotFound)
}
