package yamlfile

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// File is a file that was read, to tell places in it.
type File struct {
	name string
	tree *ast.File
}

// Decode reads text into the structure that to points to, whose fields have yaml
// tags; fields that the text does not name stay as they are. A text without
// anything in it is no error, and changes nothing: the File is then nil.
func Decode(name string, text []byte, to any) (*File, error) {
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, place(name, err)
	}
	if len(tree.Docs) > 1 {
		return nil, fmt.Errorf("%s: has %d documents, want one", name, len(tree.Docs))
	}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		return nil, nil // the decoder would write zeros
	}
	if node, want := misfit(tree.Docs[0].Body, reflect.TypeOf(to).Elem()); node != nil {
		at := node.GetToken()
		return nil, fmt.Errorf("%s:%s: want %s, not %q", name, position(at), want, at.Value)
	}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(to); err != nil {
		return nil, place(name, err)
	}
	return &File{name, tree}, nil
}

// misfit returns a value of which the library does not say where it is wrong, and
// what belongs there: a number with a fraction in place of a whole one, which it
// cuts off, a time that is none, and a text in place of settings.
func misfit(node ast.Node, t reflect.Type) (bad ast.Node, want string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n := node.(type) {
	case *ast.FloatNode:
		if t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64 {
			return n, wanted(t.String())
		}
	case *ast.StringNode:
		if _, err := time.ParseDuration(n.Value); err != nil && t == reflect.TypeFor[time.Duration]() {
			return n, wanted(t.String())
		}
		if want := example(t, n.Value); want != "" {
			return n, want
		}
	case *ast.MappingNode:
		for _, v := range n.Values {
			if bad, want = misfit(v, t); bad != nil {
				return bad, want
			}
		}
	case *ast.MappingValueNode:
		if t.Kind() != reflect.Struct {
			return nil, ""
		}
		for i := range t.NumField() {
			if tag, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); tag != "" && tag == n.Key.GetToken().Value {
				return misfit(n.Value, t.Field(i).Type)
			}
		}
	case *ast.SequenceNode:
		if t.Kind() != reflect.Slice {
			return nil, ""
		}
		for _, v := range n.Values {
			if bad, want = misfit(v, t.Elem()); bad != nil {
				return bad, want
			}
		}
	}
	return nil, ""
}

const nameMax = 80 // bytes of the longest text that is repeated as an example

// example says how a text that stands where settings should be was probably
// meant: as the first of them, if that is a text. Empty: t is something else, or
// the text no name of anything.
func example(t reflect.Type, text string) string {
	if len(text) > nameMax || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		return ""
	}
	if t.Kind() != reflect.Struct || t.NumField() == 0 || t.Field(0).Type.Kind() != reflect.String {
		return ""
	}
	name, _, _ := strings.Cut(t.Field(0).Tag.Get("yaml"), ",")
	if name == "" {
		return ""
	}
	return fmt.Sprintf("settings by name, such as {%s: %s}", name, text)
}

func position(t *token.Token) string {
	return fmt.Sprintf("%d:%d", t.Position.Line, t.Position.Column)
}

// Wrong names the setting at path, for example ports[0].speed, and its place if
// it is in the file. The file may be nil.
func (f *File) Wrong(path string, err error) error {
	if f != nil {
		if at := f.find(path); at != nil {
			return fmt.Errorf("%s:%s: %s: %w", f.name, position(at), path, err)
		}
	}
	return fmt.Errorf("%s: %w", path, err)
}

// WrongIn is Wrong where values come from nowhere but the file: of a setting that
// is not in it, the place is that of what should hold it.
func (f *File) WrongIn(path string, err error) error {
	if f == nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for at := path; at != ""; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		if found := f.find(at); found != nil {
			return fmt.Errorf("%s:%s: %s: %w", f.name, position(found), path, err)
		}
	}
	return fmt.Errorf("%s:1:1: %s: %w", f.name, path, err)
}

// Has says whether a setting is in the file, whatever its value.
func (f *File) Has(path string) bool { return f != nil && f.find(path) != nil }

// find returns where a setting's value begins, or nil.
func (f *File) find(path string) *token.Token {
	p, err := yaml.PathString("$." + path)
	if err != nil {
		return nil
	}
	node, err := p.FilterFile(f.tree)
	if err != nil || node == nil {
		return nil
	}
	return node.GetToken()
}
