package support

import (
	"reflect"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

// NameOf is the row of a selector.
func NameOf(e nft.Expr) string {
	text := nft.ExprText(e)
	words := strings.Fields(text)
	switch e.(type) {
	case *nft.CT, *nft.RT, *nft.Xfrm: // without direction and family
		words = slices.DeleteFunc(words, func(w string) bool {
			return w == "original" || w == "reply" || w == "ip" || w == "ip6" || w == "in" || w == "out"
		})
		return strings.Join(words, " ")
	case *nft.Raw:
		if base, _, ok := strings.Cut(text, ","); ok {
			return base + ",offset,length"
		}
	case *nft.Fib:
		return "fib " + words[len(words)-1]
	case *nft.Numgen, *nft.Socket:
		return strings.Join(words[:2], " ")
	case *nft.Hash:
		return words[0]
	}
	return text
}

// Rows returns the rows that a rule set uses, as judged.txt has them.
func Rows(tree *nft.Ruleset) []string {
	seen := map[string]bool{}
	note := func(kind, name string) { seen[kind+"\t"+name] = true }
	for _, t := range tree.Tables {
		note("family", nft.FamilyName(t.Family))
		for _, o := range t.Objects {
			note("object", o.Kind.String())
		}
		for _, s := range t.Sets {
			for _, f := range sets {
				if f.is != nil && f.is(s) {
					note("set", f.name)
				}
			}
		}
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				for _, st := range r.Stmts {
					note("statement", statementRow(st))
					walk(reflect.ValueOf(st), func(e nft.Expr) { note("match", NameOf(e)) })
				}
			}
		}
	}
	out := make([]string, 0, len(seen))
	for s := range seen {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// statementRow is the row of a statement: a value that is set has the one of its
// kind.
func statementRow(st nft.Stmt) string {
	name := nft.StmtName(st)
	switch st := st.(type) {
	case *nft.Assign:
		switch e := st.Left.(type) {
		case *nft.Payload:
			return "payload set"
		case *nft.Option:
			return "option set"
		case *nft.CT:
			return NameOf(e) + " set"
		}
	case *nft.SetUpdate:
		return strings.Fields(name)[0] + map[bool]string{false: " @set", true: ""}[st.Meter]
	case *nft.Verdict:
		if st.Block != nil {
			return "jump { ... }"
		}
		return [...]string{"drop", "accept", "continue", "return", "jump", "goto"}[st.Kind]
	case *nft.ObjectRef:
		if st.Set != nil {
			return name + " map"
		}
	}
	return name
}

// walk calls f for each selector in a statement.
func walk(v reflect.Value, f func(nft.Expr)) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return
		}
		if v.Kind() == reflect.Pointer && v.CanInterface() {
			switch e := v.Interface().(type) {
			case *nft.Set, *nft.Object, *nft.Flowtable, *nft.Type, *nft.Const:
				return
			case *nft.Payload, *nft.Meta, *nft.CT, *nft.Option, *nft.Raw, *nft.RT, *nft.Fib, *nft.Socket, *nft.OSF, *nft.Numgen, *nft.Xfrm:
				f(e.(nft.Expr))
				return
			case *nft.Hash:
				f(e)
			}
		}
		walk(v.Elem(), f)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				walk(v.Field(i), f)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Interface || v.Type().Elem().Kind() == reflect.Pointer {
			for i := range v.Len() {
				walk(v.Index(i), f)
			}
		}
	}
}
