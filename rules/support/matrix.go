package support

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/rules/iptables"
	"github.com/sluice-net/sluice/rules/nft"
)

// Row is one line of the matrix.
type Row struct {
	Kind     string   `json:"kind"` // "family", "match", "statement", "object", "set", "command", "iptables match" or "iptables target"
	Name     string   `json:"name"`
	Families []string `json:"families,omitempty"` // where an example compiles
	Known    []string `json:"known,omitempty"`    // where only the language takes it
	Reason   string   `json:"reason,omitempty"`   // why it is refused
	Judge    string   `json:"judge,omitempty"`    // "kernel oracle" or "text only"; "" for what is refused
}

// State is "yes", "known" or "no".
func (r *Row) State() string {
	switch {
	case len(r.Families) > 0:
		return "yes"
	case len(r.Known) > 0:
		return "known"
	}
	return "no"
}

//go:embed judged.txt
var judged string

// Matrix tries everything.
func Matrix() []Row {
	var rows []Row
	for _, f := range nft.Families() {
		rows = append(rows, probe("family", nft.FamilyName(f), func(t *trial) bool {
			t.rule = "counter accept"
			return t.family == f
		}))
	}
	for _, e := range nft.Selectors() {
		rows = append(rows, probe("match", NameOf(e), func(t *trial) bool {
			t.rule = matchOf(e, t.family)
			if _, ok := e.(*nft.Socket); ok {
				t.hook = earlyHook
			}
			return true
		}))
	}
	for _, s := range statements {
		rows = append(rows, probe("statement", s.name, func(t *trial) bool {
			t.rule, t.table, t.hook = s.text, s.table, s.hook
			return true
		}))
	}
	for _, k := range nft.ObjectKinds() {
		rows = append(rows, probe("object", k.String(), func(t *trial) bool {
			t.table = k.String() + " o {\n" + objects[k] + "\n}\n"
			t.rule = "counter"
			if use, ok := objectUses[k]; ok {
				t.rule = use
			}
			return true
		}))
	}
	for _, s := range sets {
		rows = append(rows, probe("set", s.name, func(t *trial) bool {
			t.table, t.rule, t.hook = s.table, s.text, s.hook
			return true
		}))
	}
	for _, c := range nft.Commands() {
		rows = append(rows, command(c))
	}
	for _, c := range refusedCommands {
		rows = append(rows, command(c))
	}
	for _, x := range iptables.Extensions() {
		rows = append(rows, tableRow(x))
	}
	by := strings.Split(judged, "\n")
	for i := range rows {
		r := &rows[i]
		switch {
		case len(r.Families) == 0:
		case slices.Contains(by, r.Kind+"\t"+r.Name):
			r.Judge = "kernel oracle"
		default:
			r.Judge = "text only"
		}
	}
	return rows
}
