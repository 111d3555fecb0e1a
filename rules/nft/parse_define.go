package nft

import (
	"os"
	"path/filepath"
	"sort"
	"strings"
)

const (
	maxIncludeDepth = 16
	maxIncludes     = 1000
)

// parseDefinition handles what may stand in any block: define, include.
func (p *parser) parseDefinition() bool {
	t := p.peek()
	switch {
	case t.is("include"):
		p.parseInclude()
	case t.is("define"), t.is("redefine"):
		redo := p.take().text == "redefine"
		name := p.name()
		p.expect("=")
		v := p.parseInitializer()
		p.endStatement() // what is wrong with the name is found out behind it
		scope := p.scopes[len(p.scopes)-1]
		if redo {
			scope = nil
			for i := len(p.scopes) - 1; i >= 0 && scope == nil; i-- {
				if p.scopes[i][name.text] != nil {
					scope = p.scopes[i]
				}
			}
			if scope == nil { // a definition like any other
				scope = p.scopes[len(p.scopes)-1]
			}
		} else if scope[name.text] != nil {
			p.fail(&name, "redefinition of symbol '%s'", name.text)
		}
		scope[name.text] = v
	case t.is("undefine"):
		p.take()
		name := p.name()
		p.endStatement()
		delete(p.scopes[len(p.scopes)-1], name.text) // nft says nothing of what is not defined here
	default:
		return false
	}
	return true
}

// variable takes `$name` and gives what it stands for.
func (p *parser) variable() *raw {
	p.expect("$")
	t := p.peek()
	if t.kind != tokWord {
		p.unexpected("")
	}
	name := p.take()
	for i := len(p.scopes) - 1; i >= 0; i-- {
		if v := p.scopes[i][name.text]; v != nil {
			return v
		}
	}
	p.fail(&name, "unknown identifier '%s'%s", name.text, hintDefined(name.text, p.definedNames()))
	return nil
}

func (p *parser) definedNames() []string {
	var out []string
	for _, s := range p.scopes {
		for k := range s {
			out = append(out, k)
		}
	}
	sort.Strings(out)
	return out
}

// parseInclude reads `include "glob"` and goes on in the file.
func (p *parser) parseInclude() {
	word := p.take()
	t := p.peek()
	if t.kind != tokQuoted {
		p.unexpected("quoted string")
	}
	arg := p.take()
	arg.pos = word.pos
	if p.opt.NoInclude {
		p.fail(&arg, "not supported here: include")
	}
	sep := p.peek()
	if !sep.isSeparator() && sep.kind != tokEOF {
		p.unexpected("")
	}
	if sep.isSeparator() { // it belongs to the place, and is taken already when files are looked for
		p.take()
		arg.end = p.last
	}
	files := p.includeFiles(&arg)
	if len(p.stack)+1 > maxIncludeDepth {
		p.fail(&arg, "Include nested too deeply, max %d levels", maxIncludeDepth)
	}
	if len(p.ahead) > 0 && p.ahead[0].kind == tokEOF {
		p.ahead = p.ahead[:0]
	}
	// The last file pushed is read first.
	for i := len(files) - 1; i >= 0; i-- {
		p.includes++
		if p.includes > maxIncludes {
			p.fail(&arg, "too many included files, max %d", maxIncludes)
		}
		if p.opt.Included != nil {
			p.opt.Included(files[i])
		}
		text, err := os.ReadFile(files[i])
		if err != nil {
			p.fail(&arg, "Could not open file \"%s\": %v", files[i], err)
		}
		p.push(newSource(files[i], text))
	}
}

// includeFiles expands the pattern, sorted. Only a pattern may match nothing.
func (p *parser) includeFiles(arg *token) []string {
	pattern := arg.text
	var tries []string
	if filepath.IsAbs(pattern) {
		tries = []string{pattern}
	} else {
		tries = []string{filepath.Join(filepath.Dir(arg.pos.File), pattern)}
		for _, d := range p.opt.IncludeDirs {
			tries = append(tries, filepath.Join(d, pattern))
		}
	}
	wild := strings.ContainsAny(pattern, "*?[")
	for _, try := range tries {
		if !wild {
			if st, err := os.Stat(try); err == nil && st.Mode().IsRegular() {
				return []string{try}
			}
			continue
		}
		found, err := filepath.Glob(try)
		if err != nil {
			p.fail(arg, "Failed to match the pattern \"%s\"", pattern)
		}
		var files []string
		for _, f := range found {
			if st, err := os.Stat(f); err == nil && st.Mode().IsRegular() {
				files = append(files, f)
			}
		}
		if len(files) > 0 {
			sort.Strings(files)
			return files
		}
	}
	if !wild {
		p.fail(arg, "File not found: %s", pattern)
	}
	return nil
}
