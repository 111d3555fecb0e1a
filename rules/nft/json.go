package nft

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	key   string
	value any // object, []any, string, bool, an integer, or nil
}

// one is an object with one member, of which most of nft's JSON is made.
func one(key string, value any) object { return object{{key, value}} }

// add appends a member if it is to be there.
func (o *object) add(there bool, key string, value any) {
	if there {
		*o = append(*o, member{key, value})
	}
}

// writeJSON writes a value as nft's library does.
func writeJSON(w *bufio.Writer, v any) {
	switch v := v.(type) {
	case object:
		w.WriteByte('{')
		for i, m := range v {
			if i > 0 {
				w.WriteString(", ")
			}
			writeJSON(w, m.key)
			w.WriteString(": ")
			writeJSON(w, m.value)
		}
		w.WriteByte('}')
	case []any:
		w.WriteByte('[')
		for i, x := range v {
			if i > 0 {
				w.WriteString(", ")
			}
			writeJSON(w, x)
		}
		w.WriteByte(']')
	case string:
		writeJSONString(w, v)
	case nil:
		w.WriteString("null")
	case uint64:
		w.WriteString(strconv.FormatUint(v, 10))
	default:
		fmt.Fprint(w, v)
	}
}

func writeJSONString(w *bufio.Writer, s string) {
	e := json.NewEncoder(dropNewline{w})
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always has a form; errors of writing stay in w
}

// dropNewline leaves out the last byte of each write: an encoder's newline.
type dropNewline struct{ w *bufio.Writer }

func (d dropNewline) Write(b []byte) (int, error) {
	if len(b) > 0 {
		_, _ = d.w.Write(b[:len(b)-1])
	}
	return len(b), nil
}

// listOrOne is how nft gives flags: one alone, or a list.
func listOrOne(list []any) any {
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, x := range list {
		out[i] = x
	}
	return out
}

// document is {"nftables": [...]} on its way out, an entry at a time.
type document struct {
	w    *bufio.Writer
	more bool
}

func newDocument(w io.Writer) *document {
	d := &document{w: bufio.NewWriterSize(w, 1<<16)}
	d.w.WriteString(`{"nftables": [`)
	return d
}

// add writes an entry.
func (d *document) add(kind string, value object) { d.entry(one(kind, value)) }

func (d *document) entry(o object) {
	d.comma()
	writeJSON(d.w, o)
}

func (d *document) comma() {
	if d.more {
		d.w.WriteString(", ")
	}
	d.more = true
}

func (d *document) metainfo() {
	d.add("metainfo", object{{"version", ToolVersion}, {"release_name", ToolRelease}, {"json_schema_version", 1}})
}

func (d *document) end() error {
	d.w.WriteString("]}")
	return d.w.Flush()
}

// fprintJSON writes the answer to a query as JSON.
func (q *Query) fprintJSON(w io.Writer, rs *Ruleset, opt *PrintOptions) error {
	d := newDocument(w)
	d.metainfo()
	for _, t := range rs.Tables {
		if !q.asksTable(t) {
			continue
		}
		switch q.Object {
		case "table":
			d.add("table", tableJSON(t))
			if !q.Many {
				d.inTable(t, opt)
			}
		case "ruleset":
			d.add("table", tableJSON(t))
			d.inTable(t, opt)
		default:
			q.partJSON(d, t, opt)
		}
	}
	if err := d.end(); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// inTable writes all that a table has.
func (d *document) inTable(t *Table, opt *PrintOptions) {
	for _, o := range t.Objects {
		d.add(o.Kind.String(), objectJSON(t, o, opt))
	}
	for _, s := range t.Sets {
		if !s.meter {
			d.set(t, s, opt)
		}
	}
	for _, f := range t.Flowtables {
		d.add("flowtable", flowtableJSON(t, f))
	}
	for ch := range t.named() {
		d.add("chain", chainJSON(t, ch))
	}
	for ch := range t.named() {
		d.rules(t, ch, opt)
	}
}

func (d *document) rules(t *Table, ch *Chain, opt *PrintOptions) {
	for _, r := range ch.Rules {
		d.add("rule", ruleJSON(t, ch, r, opt))
	}
}

// partJSON writes what is asked for of a table.
func (q *Query) partJSON(d *document, t *Table, opt *PrintOptions) {
	switch q.Object {
	case "chain":
		for ch := range t.named() {
			if q.Chain == nil || q.Chain == ch {
				d.add("chain", chainJSON(t, ch))
				if q.Chain != nil {
					d.rules(t, ch, opt)
				}
			}
		}
	case "flowtable":
		for _, f := range t.Flowtables {
			if q.Flowtable == nil || q.Flowtable == f {
				d.add("flowtable", flowtableJSON(t, f))
			}
		}
	case "object":
		for _, o := range q.objects(t) {
			d.add(o.Kind.String(), objectJSON(t, o, opt))
		}
	default:
		for _, s := range t.Sets {
			if setKind(s) == q.Object && (q.Set == nil || q.Set == s) {
				d.set(t, s, opt)
			}
		}
	}
}

// set writes a set with its elements one by one: there may be a million.
func (d *document) set(t *Table, s *Set, opt *PrintOptions) {
	head, tail := setJSON(t, s, opt)
	els := opt.elements(s)
	if len(els) == 0 {
		d.add(setKind(s), append(head, tail...))
		return
	}
	d.comma()
	d.w.WriteString(`{"` + setKind(s) + `": {`)
	for _, m := range head {
		writeJSON(d.w, m.key)
		d.w.WriteString(": ")
		writeJSON(d.w, m.value)
		d.w.WriteString(", ")
	}
	d.w.WriteString(`"elem": [`)
	for i, e := range els {
		if i > 0 {
			d.w.WriteString(", ")
		}
		writeJSON(d.w, elementJSON(s, e, opt))
	}
	d.w.WriteByte(']')
	for _, m := range tail {
		d.w.WriteString(", ")
		writeJSON(d.w, m.key)
		d.w.WriteString(": ")
		writeJSON(d.w, m.value)
	}
	d.w.WriteString("}}")
}
