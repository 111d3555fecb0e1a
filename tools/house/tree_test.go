package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sluice-net/sluice"

// root is the repository, seen from this package's folder.
const root = "../.."

// source is one file of the repository.
type source struct {
	path string // from the root, with slashes
	text []byte
}

func (s *source) dir() string  { return path.Dir(s.path) }
func (s *source) base() string { return path.Base(s.path) }
func (s *source) isGo() bool   { return strings.HasSuffix(s.path, ".go") }
func (s *source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }
func (s *source) lines() int   { return strings.Count(string(s.text), "\n") }

// tree reads every file that a person wrote: no build output, no test data.
func tree(t *testing.T) []*source {
	t.Helper()
	var all []*source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel == ".git" || rel == "bin" || d.Name() == "testdata" || d.Name() == "captures" {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(rel, ".test") || strings.HasSuffix(rel, ".prof") || strings.HasSuffix(rel, ".out") {
			return nil // git ignores them too
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		all = append(all, &source{path: rel, text: text})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d files found under %s: is this the repository?", len(all), root)
	}
	return all
}

// goFiles are the Go files of the tree, parsed as far as comments and imports.
func goFiles(t *testing.T, mode parser.Mode) (map[*source]*ast.File, *token.FileSet) {
	t.Helper()
	files, set := map[*source]*ast.File{}, token.NewFileSet()
	for _, s := range tree(t) {
		if !s.isGo() {
			continue
		}
		f, err := parser.ParseFile(set, s.path, s.text, mode)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		files[s] = f
	}
	return files, set
}

// sorted gives the keys of goFiles in the order of their paths.
func sorted(files map[*source]*ast.File) []*source {
	var all []*source
	for s := range files {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *source) int { return strings.Compare(a.path, b.path) })
	return all
}

func importPath(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value
	}
	return p
}

// within says whether path p is prefix or lies below it.
func within(p, prefix string) bool { return p == prefix || strings.HasPrefix(p, prefix+"/") }
