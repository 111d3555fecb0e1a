package support

import (
	"errors"
	"strings"

	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// trial is an example in a table of a family.
type trial struct {
	family nft.Family
	table  string // what stands before the chain
	hook   string // "": the one that fits most
	rule   string
}

func (t *trial) text() string {
	hook := t.hook
	switch {
	case t.family == nft.FamilyNetdev:
		hook = "type filter hook ingress device lo priority 0;"
	case hook == "":
		hook = "type filter hook forward priority 0;"
	}
	return "table " + nft.FamilyName(t.family) + " t {\n" + t.table + "chain u {\n}\nchain c {\n" + hook + "\n" + t.rule + "\n}\n}\n"
}

// probe tries an example in each family that make says it is for.
func probe(kind, name string, make func(*trial) bool) Row {
	r := Row{Kind: kind, Name: name}
	wrong := ""
	for _, f := range nft.Families() {
		t := &trial{family: f}
		if !make(t) {
			continue
		}
		tree, err := nft.Parse("example", []byte(t.text()), nft.ParseOptions{})
		if err != nil {
			if wrong == "" || f == nft.FamilyInet {
				wrong = message(err)
			}
			continue
		}
		if _, err = rules.Compile(tree, rules.Options{}); err != nil {
			r.Known = append(r.Known, nft.FamilyName(f))
			if r.Reason == "" || strings.HasPrefix(r.Reason, "tables of family") {
				r.Reason = message(err)
			}
			continue
		}
		r.Families = append(r.Families, nft.FamilyName(f))
	}
	switch {
	case len(r.Families) > 0:
		r.Reason = ""
	case len(r.Known) == 0:
		r.Reason = wrong
	}
	return r
}

// message is an error without its place.
func message(err error) string {
	var list nft.ErrorList
	var one *rules.Error
	switch {
	case errors.As(err, &list):
		return list[0].Msg
	case errors.As(err, &one):
		return one.Msg
	}
	return err.Error()
}

// command tries a command on a small ruleset.
func command(words string) Row {
	r := Row{Kind: "command", Name: words}
	old, err := nft.Parse("base", []byte(commandBase), nft.ParseOptions{})
	if err != nil {
		r.Reason = message(err)
		return r
	}
	text, ok := commandTails[words]
	if !ok {
		text = commandTail(words)
	}
	if _, err := nft.Run(old, "example", []byte(words+text+"\n"), nft.ParseOptions{}, nft.PrintOptions{}); err != nil {
		r.Reason = message(err)
		return r
	}
	r.Families = []string{"all"}
	return r
}

// commandTail is what follows the words of a command.
func commandTail(words string) string {
	verb, object, _ := strings.Cut(words, " ")
	if _, ok := objectNames[object]; ok && (verb == "add" || verb == "create") {
		for k, text := range objects {
			if k.String() == object {
				return " ip t new { " + text + "; }"
			}
		}
		return " ip t new"
	}
	names := map[string]string{"table": "ip t", "chain": "ip t c", "rule": "ip t c", "set": "ip t s", "map": "ip t m", "element": "ip t s { 1 }",
		"flowtable": "ip t f", "meter": "ip t mt"}
	for k, o := range objectNames {
		names[k] = "ip t " + o
	}
	tail := " " + names[object]
	if strings.HasSuffix(object, "s") && names[object] == "" {
		return ""
	}
	if verb == "create" {
		tail = strings.Replace(tail, " t ", " t new", 1)
	}
	return tail
}
