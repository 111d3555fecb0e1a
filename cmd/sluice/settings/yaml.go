package settings

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// file is a parsed settings file, to tell places.
type file struct {
	name string
	tree *ast.File
}

// Read reads a YAML file over the defaults. A rules file that is not absolute
// is looked for beside it. Values are not checked: see Validate.
func Read(name string) (Settings, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return Settings{}, err
	}
	s, err := parse(name, text)
	if err != nil {
		return Settings{}, err
	}
	if s.Rules != "" && !filepath.IsAbs(s.Rules) {
		s.Rules = filepath.Join(filepath.Dir(name), s.Rules)
	}
	return s, nil
}

func parse(name string, text []byte) (Settings, error) {
	s := Default()
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return s, place(name, err)
	}
	if len(tree.Docs) > 1 {
		return s, fmt.Errorf("%s: has %d documents, want one", name, len(tree.Docs))
	}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		return s, nil // the decoder would write zeros over the defaults
	}
	s.file = &file{name, tree}
	err = yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&s)
	if err != nil {
		return s, place(name, err)
	}
	return s, nil
}

// place puts an error of the library into the form FILE:LINE:COLUMN: what.
func place(name string, err error) error {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil || at.GetToken().Position == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p := at.GetToken().Position
	what := at.GetMessage()
	if key, ok := strings.CutPrefix(what, "unknown field "); ok {
		what = "unknown setting " + key
	}
	if m := typeMismatch.FindStringSubmatch(what); m != nil {
		what = fmt.Sprintf("want %s, not %s", wanted(m[2]), found(strings.TrimSpace(m[1])))
	}
	if m := kindMismatch.FindStringSubmatch(what); m != nil {
		what = fmt.Sprintf("want %s, not %s", map[string]string{"mapping": "settings by name", "sequence": "a list"}[m[2]], found(m[1]))
	}
	return fmt.Errorf("%s:%d:%d: %s", name, p.Line, p.Column, what)
}

// typeMismatch is what the library says of a value of the wrong kind, in words
// of Go.
var typeMismatch = regexp.MustCompile(`^cannot unmarshal (.*?) into Go (?:value|struct field \S+) of type (\S+)`)

// kindMismatch is what it says where names or a list should be.
var kindMismatch = regexp.MustCompile(`^(\S+) was used where (mapping|sequence) is expected`)

// found says in an operator's words what stands there.
func found(kind string) string {
	switch {
	case kind == "bool":
		return "true or false"
	case kind == "uint64" || kind == "int64" || kind == "int":
		return "a number"
	case kind == "float64" || kind == "float":
		return "a number with a point"
	case kind == "string":
		return "a text"
	case kind == "mapping":
		return "settings by name"
	case kind == "sequence" || strings.HasPrefix(kind, "["):
		return "a list"
	}
	return kind
}

// wanted says in an operator's words what a Go type takes.
func wanted(goType string) string {
	switch {
	case goType == "bool":
		return "true or false"
	case goType == "uint8":
		return "a whole number from 0 to 255"
	case goType == "uint32":
		return "a whole number from 0 to 4294967295"
	case goType == "uint16":
		return "a whole number from 0 to 65535"
	case strings.HasPrefix(goType, "uint"):
		return "a whole number, 0 or more"
	case strings.HasPrefix(goType, "int"):
		return "a whole number"
	case strings.HasPrefix(goType, "["):
		return "a list"
	case goType == "string":
		return "a text"
	}
	return "settings by name"
}

// wrong names the setting at path, for example "ports[0]", and its place when it
// is in the file.
func (f *file) wrong(path string, err error) error {
	if f != nil {
		if p, bad := yaml.PathString("$." + path); bad == nil {
			if node, bad := p.FilterFile(f.tree); bad == nil && node != nil && node.GetToken() != nil {
				at := node.GetToken().Position
				return fmt.Errorf("%s:%d:%d: %s: %w", f.name, at.Line, at.Column, path, err)
			}
		}
	}
	return fmt.Errorf("%s: %w", path, err)
}
