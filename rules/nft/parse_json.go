package nft

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// FromJSON makes nft commands of the JSON that nft's library takes: a line each,
// for Run. Errors have no place, as nft's.
func FromJSON(doc []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var root any
	if err := d.Decode(&root); err != nil {
		return nil, jsonError("no JSON: %v", err)
	}
	top, ok := root.(map[string]any)
	if !ok {
		return nil, jsonError("Expected object, got %s", jsonKind(root))
	}
	value, ok := top["nftables"]
	if !ok {
		return nil, jsonError("Object item not found: nftables")
	}
	list, ok := value.([]any)
	if !ok {
		return nil, jsonError(`Value of property "nftables" must be an array.`)
	}
	r := &jsonReader{}
	for i, x := range list {
		if err := r.command(x); err != nil {
			var list ErrorList
			for _, msg := range around(err, "Parsing command array at index %d failed.", i) {
				list = append(list, &Error{Pos: Pos{File: "internal"}, Msg: msg})
			}
			return nil, list
		}
	}
	r.flush()
	return r.out.Bytes(), nil
}

// IsJSON says whether a text is a JSON document rather than commands.
func IsJSON(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && text[0] == '{'
}

func jsonError(format string, args ...any) error {
	return &Error{Pos: Pos{File: "internal"}, Msg: fmt.Sprintf(format, args...)}
}

// jsonProblem is what is wrong with a document, in the words of nft's library, and
// behind it what it is in, from inside to outside.
type jsonProblem []string

func (e jsonProblem) Error() string { return strings.Join(e, " ") }

func wrongJSON(format string, args ...any) error { return jsonProblem{fmt.Sprintf(format, args...)} }

// around says what a problem is in.
func around(err error, format string, args ...any) jsonProblem {
	in := fmt.Sprintf(format, args...)
	if p, ok := err.(jsonProblem); ok {
		return append(slices.Clone(p), in)
	}
	return jsonProblem{err.Error(), in}
}

// jsonReader turns JSON commands into text.
type jsonReader struct {
	out   bytes.Buffer
	later []string // elements with verdicts: their chains may come behind them
}

// jsonKind names a kind of value.
func jsonKind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case string:
		return "string"
	case bool:
		return "boolean"
	}
	return "integer"
}

// line ends a command.
func (r *jsonReader) line(format string, args ...any) {
	fmt.Fprintf(&r.out, format+"\n", args...)
}

func (r *jsonReader) flush() {
	for _, l := range r.later {
		r.line("%s", l)
	}
	r.later = nil
}

// only is the one member of an object.
func only(v any) (key string, value any, err error) {
	o, ok := v.(map[string]any)
	if !ok || len(o) != 1 {
		return "", nil, wrongJSON("an object with one member is needed, got %s", jsonKind(v))
	}
	for key, value = range o {
	}
	return key, value, nil
}

var jsonVerbs = []string{"add", "replace", "create", "insert", "delete", "list", "reset", "flush", "rename"}

func (r *jsonReader) command(x any) error {
	verb, value, err := only(x)
	switch {
	case err != nil:
		return err
	case verb == "metainfo":
		info, _ := value.(map[string]any)
		if n, ok := info["json_schema_version"].(json.Number); ok && n != "1" {
			return wrongJSON("Schema version %s not supported, maximum supported version is 1", n)
		}
		return nil
	case slices.Contains(jsonVerbs, verb):
		var kind string
		if kind, value, err = only(value); err != nil {
			return err
		}
		return r.object(verb, kind, value)
	}
	return r.object("add", verb, value)
}

// members reads members of an object with errors kept until the end.
type members struct {
	of  map[string]any
	err error
}

func (m *members) text(key string, needed bool) string {
	switch v := m.of[key].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case nil:
		if needed && m.err == nil {
			m.err = wrongJSON("Object item not found: %s", key)
		}
	default:
		m.err = wrongJSON("Invalid type of %s: %s", key, jsonKind(v))
	}
	return ""
}

// name is a member that is a name in the language.
func (m *members) name(key string, needed bool) string {
	s := m.text(key, needed)
	if s != "" && !isName(s) && m.err == nil {
		m.err = wrongJSON("invalid %s %q", key, s)
	}
	return s
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-./\\", c) >= 0) {
			return false
		}
	}
	return s != ""
}

// quoted is a string between quotes; it may not have some itself.
func (m *members) quoted(s string) string {
	if strings.ContainsAny(s, "\"\n") && m.err == nil {
		m.err = wrongJSON("invalid string %q", s)
	}
	return `"` + s + `"`
}

// words is a string or a list of them.
func (m *members) words(key string) (out []string) {
	switch v := m.of[key].(type) {
	case nil:
	case []any:
		for _, x := range v {
			if s, ok := x.(string); ok {
				out = append(out, s)
			} else if m.err == nil {
				m.err = wrongJSON("Invalid type of %s: %s", key, jsonKind(x))
			}
		}
	default:
		out = []string{m.text(key, true)}
	}
	return out
}

// object is a verb and what it is about.
func (r *jsonReader) object(verb, kind string, value any) error {
	o, ok := value.(map[string]any)
	if !ok && value != nil {
		return wrongJSON("Unexpected value of %s: %s", kind, jsonKind(value))
	}
	m := &members{of: o}
	head := verb + " " + kind
	switch kind {
	case "ruleset", "tables", "chains", "sets", "maps", "meters", "counters", "quotas", "limits", "flowtables", "synproxys", "secmarks":
		r.flush()
		r.line("%s %s", head, m.name("family", false))
		return m.err
	case "table", "chain", "rule", "set", "map", "element", "flowtable", "counter", "quota", "limit", "ct helper",
		"ct timeout", "ct expectation", "synproxy", "secmark", "meter":
	default:
		return wrongJSON("Unknown object passed to %s command.", verb)
	}
	family := m.name("family", true)
	if _, known := families[family]; !known && family != "" {
		return wrongJSON("Unknown family '%s'.", family)
	}
	head += " " + family
	adds := verb == "add" || verb == "create" || verb == "insert" || verb == "replace"
	if kind == "table" {
		r.table(m, head, adds)
		return m.err
	}
	head += " " + m.name("table", true)
	switch {
	case kind == "rule":
		r.rule(m, head, verb)
	case kind == "chain" && adds:
		r.chain(m, head)
	case verb == "rename":
		r.line("%s %s %s", head, m.name("name", true), m.name("newname", true))
	case (kind == "set" || kind == "map") && adds:
		r.set(m, head)
	case kind == "element":
		r.elements(m, head, verb)
	case adds && kind != "meter":
		r.statefulObject(m, head, kind)
	default:
		r.flush()
		if h := m.text("handle", false); h != "" && o["name"] == nil {
			r.line("%s handle %s", head, h)
		} else {
			r.line("%s %s", head, m.name("name", true))
		}
	}
	return m.err
}

func (r *jsonReader) table(m *members, head string, adds bool) {
	if !adds {
		r.flush()
		if h := m.text("handle", false); h != "" && m.of["name"] == nil {
			r.line("%s handle %s", head, h)
			return
		}
	}
	head += " " + m.name("name", true)
	if adds && slices.Contains(m.words("flags"), "dormant") {
		head += " { flags dormant; }"
	}
	r.line("%s", head)
}

func (r *jsonReader) chain(m *members, head string) {
	head += " " + m.name("name", true)
	if m.of["type"] != nil {
		devices := ""
		if list := m.words("dev"); len(list) == 1 {
			devices = " device " + m.quoted(list[0])
		} else if len(list) > 1 {
			devices = " devices = { " + strings.Join(list, ", ") + " }"
		}
		head += fmt.Sprintf(" { type %s hook %s%s priority %s;", m.name("type", true), m.name("hook", true), devices, m.text("prio", true))
		if m.of["policy"] != nil {
			head += " policy " + m.name("policy", true) + ";"
		}
		head += " }"
	}
	r.line("%s", head)
}

func (r *jsonReader) rule(m *members, head, verb string) {
	r.flush()
	head += " " + m.name("chain", true)
	if verb != "add" && m.of["handle"] != nil {
		head += " handle " + m.text("handle", true)
	} else if m.of["index"] != nil {
		head += " index " + m.text("index", true)
	}
	if verb == "delete" || verb == "flush" || verb == "list" {
		r.line("%s", head)
		return
	}
	list, ok := m.of["expr"].([]any)
	if !ok && m.err == nil {
		m.err = wrongJSON("Object item not found: expr")
	}
	for i, x := range list {
		if _, ok := x.(map[string]any); !ok && m.err == nil {
			m.err = wrongJSON("Unexpected expr array element of type %s, expected object.", jsonKind(x))
			break
		}
		text, err := jsonStatement(x)
		if err != nil && m.err == nil {
			m.err = around(err, "Parsing expr array at index %d failed.", i)
		}
		head += " " + text
	}
	if c := m.text("comment", false); m.of["comment"] != nil {
		head += " comment " + m.quoted(c)
	}
	r.line("%s", head)
}

// dataTypes are the types of a key or of data, as text.
func (m *members) dataTypes(key string) string {
	list := m.words(key)
	for _, t := range list {
		for _, part := range strings.Split(t, " . ") {
			if !isName(part) && m.err == nil {
				m.err = wrongJSON("Invalid set type %q", t)
			}
		}
	}
	return strings.Join(list, " . ")
}

func (r *jsonReader) set(m *members, head string) {
	name := m.name("name", true)
	block := "type " + m.dataTypes("type")
	data := ""
	if m.of["map"] != nil {
		data = m.dataTypes("map")
		if m.intervalData() {
			data = "interval " + data
		}
		block += " : " + data
	}
	block += ";"
	add := func(key, format string) {
		if m.of[key] != nil {
			block += " " + fmt.Sprintf(format, m.text(key, true)) + ";"
		}
	}
	if flags := m.words("flags"); len(flags) > 0 {
		block += " flags " + strings.Join(flags, ",") + ";"
	}
	add("timeout", "timeout %ss")
	add("gc-interval", "gc-interval %ss")
	add("size", "size %s")
	add("policy", "policy %s")
	if v, _ := m.of["auto-merge"].(bool); v {
		block += " auto-merge;"
	}
	if c := m.text("comment", false); m.of["comment"] != nil {
		block += " comment " + m.quoted(c) + ";"
	}
	stmts, _ := m.of["stmt"].([]any)
	for _, x := range stmts {
		text, err := jsonStatement(x)
		if err != nil && m.err == nil {
			m.err = err
		}
		block += " " + text + ";"
	}
	elems := m.elementList("elem")
	if elems != "" && data != "verdict" {
		block += " elements = " + elems + ";"
	}
	r.line("%s %s { %s }", head, name, block)
	if elems != "" && data == "verdict" {
		_, rest, _ := strings.Cut(head, " ")
		_, rest, _ = strings.Cut(rest, " ")
		r.later = append(r.later, "add element "+rest+" "+name+" "+elems)
	}
}

// intervalData says whether some element gives a range: nft's JSON does not say
// so of the map.
func (m *members) intervalData() bool {
	list, _ := m.of["elem"].([]any)
	for _, x := range list {
		if pair, ok := x.([]any); ok && len(pair) == 2 {
			if key, _, err := only(pair[1]); err == nil && (key == "range" || key == "prefix") {
				return true
			}
		}
	}
	return false
}

// elementList is elements between braces; "" for none.
func (m *members) elementList(key string) string {
	var parts []string
	list, ok := m.of[key].([]any)
	if o, is := m.of[key].(map[string]any); is {
		list, ok = o["set"].([]any)
	}
	if !ok && m.of[key] != nil {
		list = []any{m.of[key]}
	}
	for _, x := range list {
		text, err := jsonElement(x)
		if err != nil && m.err == nil {
			m.err = err
		}
		parts = append(parts, text)
	}
	if parts == nil {
		return ""
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

func (r *jsonReader) elements(m *members, head, verb string) {
	line := head + " " + m.name("name", true) + " " + m.elementList("elem")
	if verb != "add" && verb != "create" {
		r.flush()
	}
	r.line("%s", line)
}
