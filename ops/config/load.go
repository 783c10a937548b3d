package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"
)

// Prefix begins the name of every setting in the environment.
const Prefix = "REFOLD_CFG_"

// Sources are where settings are said, besides the defaults.
type Sources struct {
	// File is a file of YAML; there is none where it is empty.
	File string
	// Environ is the environment, NAME=VALUE each.
	Environ []string
	// Flags are the settings that were given on the command line, by their keys.
	Flags map[string]any
}

// Effective is every setting as it counts.
type Effective struct {
	Config
	// settings are in order of their keys.
	settings []Setting
}

// Setting is one setting and where it comes from.
type Setting struct {
	Key    string `json:"key"`
	Value  any    `json:"value"`
	Source string `json:"source"`
}

// ErrSettings is wrapped by everything that is wrong with what somebody said.
var ErrSettings = errors.New("wrong settings")

// layer is one source, read.
type layer struct {
	name   string
	values map[string]any // by key
}

// Load reads the settings. Every problem is reported at once, each with the setting and where it is said.
func Load(s Sources) (*Effective, error) {
	k := koanf.New(".")
	if err := k.Load(structs.Provider(defaults(), "koanf"), nil); err != nil {
		return nil, err
	}
	known := k.Keys()
	from := make(map[string]string)
	for _, key := range known {
		from[key] = "default"
	}
	file, err := readFile(s.File)
	if err != nil {
		return nil, settings(err)
	}
	var problems []error
	for _, l := range []layer{{s.File, file}, {"environment", environment(s.Environ)}, {"flag", s.Flags}} {
		for _, key := range slices.Sorted(maps.Keys(l.values)) {
			if !slices.Contains(known, key) {
				problems = append(problems, fmt.Errorf("%s (%s): there is no such setting", key, l.name))
				continue
			}
			from[key] = l.name
		}
		if err := k.Load(confmap.Provider(l.values, "."), nil); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", l.name, err))
		}
	}
	if len(problems) > 0 {
		return nil, settings(problems...)
	}
	e := new(Effective)
	err = k.UnmarshalWithConf("", &e.Config, koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		Result: &e.Config, TagName: "koanf", WeaklyTypedInput: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToSliceHookFunc(",")),
	}})
	if err != nil {
		return nil, settings(err)
	}
	secrets := secretKeys(reflect.TypeFor[Config](), "")
	for _, key := range slices.Sorted(slices.Values(known)) {
		e.settings = append(e.settings, Setting{key, shown(k.Get(key), slices.Contains(secrets, key)), from[key]})
	}
	return e, nil
}

// readFile returns what a file of YAML says, by key.
func readFile(name string) (map[string]any, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	said, err := yaml.Parser().Unmarshal(b)
	if err != nil {
		return nil, fmt.Errorf("%s: it is no YAML of settings: %w", name, err)
	}
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(said, ""), nil); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return k.All(), nil
}

// environment returns what the environment says, by key.
func environment(environ []string) map[string]any {
	out := make(map[string]any)
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if name, ours := strings.CutPrefix(name, Prefix); ours {
			out[strings.ToLower(strings.ReplaceAll(name, "__", "."))] = value
		}
	}
	return out
}

// secretKeys returns the keys of what nobody may see.
func secretKeys(t reflect.Type, prefix string) (out []string) {
	for f := range t.Fields() {
		key := prefix + f.Tag.Get("koanf")
		if f.Type.Kind() == reflect.Struct {
			out = append(out, secretKeys(f.Type, key+".")...)
		}
		if f.Tag.Get("secret") == "true" {
			out = append(out, key)
		}
	}
	return out
}

// redacted stands for a secret that is there.
const redacted = "(secret)"

func shown(value any, secret bool) any {
	if secret && value != "" {
		return redacted
	}
	if s, ok := value.(fmt.Stringer); ok {
		return s.String() // a duration
	}
	return value
}

// Settings returns every setting in order of its key, with secrets redacted.
func (e *Effective) Settings() []Setting { return e.settings }
