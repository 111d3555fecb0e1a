package house

import (
	"go/ast"
	"go/parser"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var goName = regexp.MustCompile(`\b[a-z0-9_]+\.go\b`)

var filesLine = regexp.MustCompile(`(?m)^(# )?Files`)

// filesHeading returns where the list of files begins in a package comment, or -1.
func filesHeading(comment string) int {
	if at := filesLine.FindStringIndex(comment); at != nil {
		return at[0]
	}
	return -1
}

// TestPackageDocs: every package has a doc.go whose comment has a line beginning
// with "Files", and from there on it names exactly the folder's Go files.
func TestPackageDocs(t *testing.T) {
	files, _ := goFiles(t, parser.ParseComments|parser.PackageClauseOnly)
	docs, folders := map[string]*ast.File{}, map[string][]string{}
	for _, s := range sorted(files) {
		if s.base() == "doc.go" {
			docs[s.dir()] = files[s]
			continue
		}
		if files[s].Doc != nil && !s.isTest() && !strings.HasPrefix(s.base(), "doc") {
			t.Errorf("%s: the package comment stands in doc.go", s.path)
		}
		if !s.isTest() {
			folders[s.dir()] = append(folders[s.dir()], s.base())
		} else if _, ok := folders[s.dir()]; !ok {
			folders[s.dir()] = nil
		}
	}
	for dir, names := range folders {
		f := docs[dir]
		if f == nil {
			t.Errorf("%s: no doc.go", dir)
			continue
		}
		if f.Doc == nil {
			t.Errorf("%s/doc.go: no package comment", dir)
			continue
		}
		comment := f.Doc.Text()
		at := filesHeading(comment)
		if at < 0 {
			t.Errorf("%s/doc.go: no line that begins with \"Files\"", dir)
			continue
		}
		listed := goName.FindAllString(comment[at:], -1)
		for _, name := range names {
			if !slices.Contains(listed, name) {
				t.Errorf("%s/doc.go: does not list %s", dir, name)
			}
		}
		for _, name := range listed {
			if name != "doc.go" && !slices.Contains(names, name) && !strings.HasSuffix(name, "_test.go") {
				t.Errorf("%s/doc.go: lists %s, which is not there", dir, name)
			}
		}
	}
}

// TestExportedNamesAreDocumented: functions, methods of exported types, types.
func TestExportedNamesAreDocumented(t *testing.T) {
	files, set := goFiles(t, parser.ParseComments|parser.SkipObjectResolution)
	for _, s := range sorted(files) {
		if s.isTest() || files[s].Name.Name == "main" {
			continue
		}
		for _, d := range files[s].Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
					t.Errorf("%s: exported %s has no comment", set.Position(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					ts, ok := spec.(*ast.TypeSpec)
					if ok && ts.Name.IsExported() && d.Doc == nil && ts.Doc == nil && ts.Comment == nil {
						t.Errorf("%s: exported type %s has no comment", set.Position(ts.Pos()), ts.Name.Name)
					}
				}
			}
		}
	}
}

// interfaceMethods need no comment of their own: what they do is said once,
// where their interface is.
var interfaceMethods = []string{"String", "Error", "Unwrap", "Is", "Type", "Bits", "Position", "Len", "Less", "Swap", "Set", "MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText"}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	if slices.Contains(interfaceMethods, d.Name.Name) {
		return false
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}
