package house

import (
	"go/ast"
	"go/parser"
	"os"
	"slices"
	"strings"
	"testing"
)

// maxLines is what a reader takes in at a sitting, and then some.
const maxLines = 600

// topLevel is all that may lie at the top.
var topLevel = []string{
	".ci", ".git", ".gitignore", "LICENSE", "Makefile", "README.md", "bin", "go.mod", "go.sum",
	"afxdp", "cmd", "dataplane", "flowtable", "perf", "rules", "tools",
}

// emptyNames say nothing about what a file holds.
var emptyNames = []string{"util", "utils", "common", "helpers", "misc", "stuff"}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); !slices.Contains(topLevel, name) &&
			!strings.HasSuffix(name, ".test") && !strings.HasSuffix(name, ".prof") && !strings.HasSuffix(name, ".out") {
			t.Errorf("%s: not one of the entries allowed at the top: %s", name, strings.Join(topLevel, " "))
		}
	}
}

func TestFileLength(t *testing.T) {
	for _, s := range tree(t) {
		if (s.isGo() || strings.HasSuffix(s.path, ".s")) && s.lines() > maxLines {
			t.Errorf("%s: %d lines; %d is the limit", s.path, s.lines(), maxLines)
		}
	}
}

func TestFileNames(t *testing.T) {
	for _, s := range tree(t) {
		if !s.isGo() {
			continue
		}
		noun := strings.TrimSuffix(strings.TrimSuffix(s.base(), ".go"), "_test")
		for _, part := range strings.Split(noun, "_") {
			if slices.Contains(emptyNames, part) {
				t.Errorf("%s: a file is named after what it holds", s.path)
			}
		}
		if strings.ToLower(s.base()) != s.base() {
			t.Errorf("%s: file names are lower case", s.path)
		}
	}
}

// measuring are the uses of unsafe that touch no memory; tests of layouts may
// have them, and uintptr(unsafe.Pointer(...)), in any file.
var measuring = []string{"Sizeof", "Offsetof", "Alignof"}

func TestUnsafeHasItsFiles(t *testing.T) {
	files, set := goFiles(t, parser.SkipObjectResolution)
	for _, s := range sorted(files) {
		if strings.HasSuffix(s.path, "_unsafe.go") || strings.HasSuffix(s.path, "_unsafe_test.go") {
			continue
		}
		for _, spec := range files[s].Imports {
			if p := importPath(spec); p == "C" || p == "unsafe" && !(s.isTest() && onlyMeasures(files[s])) {
				t.Errorf("%s: %q belongs into a file named *_unsafe.go", set.Position(spec.Pos()), p)
			}
		}
	}
}

func onlyMeasures(f *ast.File) bool {
	only := true
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "uintptr" {
				return false // the number of an address
			}
		}
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == "unsafe" && !slices.Contains(measuring, sel.Sel.Name) {
				only = false
			}
		}
		return true
	})
	return only
}

func TestAssemblyHasATwin(t *testing.T) {
	all := tree(t)
	for _, s := range all {
		if !strings.HasSuffix(s.path, ".s") {
			continue
		}
		noun, ok := strings.CutSuffix(s.base(), "_amd64.s")
		if !ok {
			t.Errorf("%s: assembly is named *_amd64.s", s.path)
			continue
		}
		pure := slices.ContainsFunc(all, func(o *source) bool {
			return o.dir() == s.dir() && o.isGo() && !o.isTest() && o.base() != noun+"_amd64.go" &&
				strings.HasPrefix(o.base(), noun) && strings.Contains(string(o.text), "purego")
		})
		if !pure {
			t.Errorf("%s: no Go twin %s*.go that names the build tag purego", s.path, noun)
		}
	}
}
