package nft

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParse wants no panic and no hang on any text, and that what is accepted
// can be listed and read again.
func FuzzParse(f *testing.F) {
	for fam, rules := range oracleRules {
		for _, r := range strings.Split(rules, "\n") {
			if r != "" {
				f.Add("table " + fam + " t {\n\tchain u {\n\t}\n\tchain c {\n\t\t" + r + "\n\t}\n}\n")
			}
		}
	}
	for _, c := range errorCases {
		f.Add(c.text)
	}
	for _, r := range oracleRows(f) {
		if r.family == "inet" || r.family == "netdev" {
			f.Add(r.table("t"))
		}
	}
	for _, c := range openCases(f) {
		f.Add(c.text())
	}
	f.Add(setsText)
	files, _ := filepath.Glob(filepath.Join(corpora, "*.nft"))
	for _, name := range files {
		if text, err := os.ReadFile(name); err == nil {
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		rs, err := Parse("fuzz", []byte(text), ParseOptions{NoInclude: true})
		if err != nil {
			for _, e := range err.(ErrorList) {
				if e.Pos.Line == 0 || e.End.Line == 0 {
					t.Fatalf("error without a place: %+v", e)
				}
				if len(e.Error()) == 0 {
					t.Fatal("empty error")
				}
			}
			return
		}
		var b bytes.Buffer
		if err := Fprint(&b, rs, PrintOptions{}); err != nil {
			t.Fatal(err)
		}
		again(t, b.String())
	})
}
