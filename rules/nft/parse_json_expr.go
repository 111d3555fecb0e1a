package nft

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// statefulObject is a counter, quota, ... of its own.
func (r *jsonReader) statefulObject(m *members, head, kind string) {
	var lines []string
	add := func(there bool, format string, args ...any) {
		if there {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	has := func(key string) bool { return m.of[key] != nil }
	name := m.name("name", true)
	add(has("comment"), "comment %s", m.quoted(m.text("comment", false)))
	switch kind {
	case "counter":
		add(has("packets") || has("bytes"), "packets %s bytes %s", zero(m.text("packets", false)), zero(m.text("bytes", false)))
	case "quota":
		over, used := "", ""
		if v, _ := m.of["inv"].(bool); v {
			over = "over "
		}
		if u := m.text("used", false); u != "" && u != "0" {
			used = " used " + u + " bytes"
		}
		add(true, "%s%s bytes%s", over, m.text("bytes", true), used)
	case "limit":
		text, err := jsonLimit(m.of)
		if err != nil && m.err == nil {
			m.err = err
		}
		add(true, "%s", strings.TrimPrefix(text, "limit "))
	case "secmark":
		add(true, "%s", m.quoted(m.text("context", true)))
	case "synproxy":
		add(true, "mss %s", m.text("mss", true))
		add(true, "wscale %s", m.text("wscale", true))
		for _, f := range m.words("flags") {
			add(true, "%s", f)
		}
	case "ct helper":
		add(true, "type %s protocol %s", m.quoted(m.text("type", true)), m.name("protocol", true))
		add(has("l3proto"), "l3proto %s", m.name("l3proto", false))
	case "ct timeout":
		add(true, "protocol %s", m.name("protocol", true))
		add(has("l3proto"), "l3proto %s", m.name("l3proto", false))
		if states, ok := m.of["policy"].(map[string]any); ok && len(states) > 0 {
			var parts []string
			for s, n := range states {
				parts = append(parts, fmt.Sprintf("%s : %v", s, n))
			}
			slices.Sort(parts)
			add(true, "policy = { %s }", strings.Join(parts, ", "))
		}
	case "ct expectation":
		add(true, "protocol %s", m.name("protocol", true))
		add(true, "dport %s", m.text("dport", true))
		add(true, "timeout %sms", m.text("timeout", true))
		add(true, "size %s", m.text("size", true))
		add(has("l3proto"), "l3proto %s", m.name("l3proto", false))
	case "flowtable":
		add(has("hook"), "hook %s priority %s", m.name("hook", false), m.text("prio", false))
		if list := m.words("dev"); len(list) > 0 {
			add(true, "devices = { %s }", strings.Join(list, ", "))
		}
	}
	r.line("%s %s { %s; }", head, name, strings.Join(lines, "; "))
}

func zero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

// bareWord is what need not stand between quotes.
var bareWord = regexp.MustCompile(`^[A-Za-z_][\w-]*$`)

// jsonExpr is an expression as text.
func jsonExpr(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return jsonString(v)
	case json.Number:
		return v.String(), nil
	case bool:
		if v {
			return "exists", nil
		}
		return "missing", nil
	case []any:
		return jsonList(v, ", ")
	case map[string]any:
		key, value, err := only(v)
		if err != nil {
			return "", err
		}
		return jsonExprObject(key, value)
	}
	return "", wrongJSON("Unexpected JSON type %s", jsonKind(v))
}

func jsonString(s string) (string, error) {
	_, err := netip.ParseAddr(s)
	switch {
	case err == nil, s == "*", bareWord.MatchString(s) && !notValue[s], len(s) > 1 && s[0] == '@' && isName(s[1:]):
		return s, nil
	case len(s) == 17 && strings.Count(s, ":") == 5, strings.HasPrefix(s, "0x"):
		return s, nil
	case strings.ContainsAny(s, "\"\n"):
		return "", wrongJSON("invalid string %q", s)
	case classid.MatchString(s):
		return s, nil
	}
	return `"` + s + `"`, nil
}

// classid is what is written as numbers with a colon.
var classid = regexp.MustCompile(`^[0-9a-f]{1,4}:[0-9a-f]{0,4}$|^[0-9]+$|^:[0-9a-f]{1,4}$`)

func jsonList(list []any, sep string) (string, error) {
	parts := make([]string, len(list))
	for i, x := range list {
		var err error
		if parts[i], err = jsonExpr(x); err != nil {
			return "", err
		}
	}
	return strings.Join(parts, sep), nil
}

// pair is the two operands of an operator.
func pair(v any) (a, b any, err error) {
	list, ok := v.([]any)
	if !ok || len(list) != 2 {
		return nil, nil, wrongJSON("an array of two is needed, got %s", jsonKind(v))
	}
	return list[0], list[1], nil
}

// jsonExprObject is an expression that is an object with one member.
func jsonExprObject(key string, value any) (string, error) {
	if list, ok := value.([]any); ok {
		switch key {
		case "concat":
			return jsonList(list, " . ")
		case "set":
			parts := make([]string, len(list))
			for i, x := range list {
				var err error
				if parts[i], err = jsonElement(x); err != nil {
					return "", err
				}
			}
			return "{ " + strings.Join(parts, ", ") + " }", nil
		case "|", "&", "^", "<<", ">>":
			return jsonBinary(key, list)
		case "range":
			a, b, err := pair(value)
			if err != nil {
				return "", err
			}
			lo, err := jsonExpr(a)
			if err != nil {
				return "", err
			}
			hi, err := jsonExpr(b)
			if bareWord.MatchString(lo) { // a name may have a dash itself
				lo += " "
				hi = " " + hi
			}
			return lo + "-" + hi, err
		}
	}
	o, ok := value.(map[string]any)
	if !ok {
		if key == "set" || key == "elem" {
			return jsonExpr(value)
		}
		return "", wrongJSON("Unknown expression type '%s'.", key)
	}
	m := &members{of: o}
	text := jsonSelector(key, m)
	if text == "" && m.err == nil {
		m.err = wrongJSON("Unknown expression type '%s'.", key)
	}
	return text, m.err
}

func jsonBinary(op string, list []any) (string, error) {
	parts := make([]string, len(list))
	for i, x := range list {
		var err error
		if bits, ok := x.([]any); ok { // flags
			parts[i], err = jsonList(bits, " | ")
		} else {
			parts[i], err = jsonExpr(x)
		}
		if err != nil {
			return "", err
		}
		if i > 0 && strings.ContainsAny(parts[i], "|&^<>") {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	if strings.ContainsAny(parts[0], "|&^<>") && op != "|" {
		parts[0] = "(" + parts[0] + ")"
	}
	return strings.Join(parts, " "+op+" "), nil
}

// expr is a member that is an expression.
func (m *members) expr(key string) string {
	text, err := jsonExpr(m.of[key])
	if err != nil && m.err == nil {
		m.err = wrongJSON("%s: %v", key, err)
	}
	return text
}

// with is a word and a member, if that is there.
func (m *members) with(word, key string) string {
	if m.of[key] == nil {
		return ""
	}
	return " " + word + m.expr(key)
}

// jsonSelector is what reads the packet, or a value with parts; "" is none.
func jsonSelector(key string, m *members) string {
	switch key {
	case "prefix":
		return m.expr("addr") + "/" + m.text("len", true)
	case "payload":
		if m.of["base"] != nil {
			return fmt.Sprintf("@%s,%s,%s", m.name("base", true), m.text("offset", true), m.text("len", true))
		}
		return m.name("protocol", true) + " " + m.text("field", true)
	case "exthdr":
		name, field := m.name("name", true), m.text("field", false)
		if field == "" {
			return "exthdr " + name
		}
		return name + " " + field
	case "tcp option", "ip option", "sctp chunk":
		if m.of["base"] != nil {
			return fmt.Sprintf("%s @%s,%s,%s", key, m.text("base", true), m.text("offset", true), m.text("len", true))
		}
		return strings.TrimSpace(key + " " + m.name("name", true) + " " + m.text("field", false))
	case "meta":
		return "meta " + m.name("key", true)
	case "ct":
		return strings.Join(strings.Fields("ct "+m.name("dir", false)+" "+m.name("family", false)+" "+m.text("key", true)), " ")
	case "rt":
		return strings.Join(strings.Fields("rt "+m.name("family", false)+" "+m.name("key", true)), " ")
	case "socket":
		return "socket " + m.name("key", true)
	case "osf":
		ttl := m.name("ttl", false)
		if ttl != "" {
			ttl = "ttl " + ttl + " "
		}
		return "osf " + ttl + m.name("key", true)
	case "ipsec":
		return strings.Join(strings.Fields("ipsec "+m.name("dir", true)+m.with("spnum ", "spnum")+" "+m.name("family", false)+" "+m.name("key", true)), " ")
	case "fib":
		return "fib " + strings.Join(m.words("flags"), " . ") + " " + m.name("result", true)
	case "numgen":
		return "numgen " + m.name("mode", true) + " mod " + m.text("mod", true) + m.with("offset ", "offset")
	case "symhash":
		return "symhash mod " + m.text("mod", true) + m.with("offset ", "offset")
	case "jhash":
		return "jhash " + m.expr("expr") + " mod " + m.text("mod", true) + m.with("seed ", "seed") + m.with("offset ", "offset")
	case "map":
		return m.expr("key") + " map " + m.expr("data")
	case "elem":
		text, err := jsonElement(map[string]any{"elem": m.of})
		if err != nil && m.err == nil {
			m.err = err
		}
		return text
	}
	return ""
}

// jsonElement is an element of a set, or a pair of a map.
func jsonElement(v any) (string, error) {
	if list, ok := v.([]any); ok && len(list) == 2 {
		key, err := jsonElement(list[0])
		if err != nil {
			return "", err
		}
		data, err := jsonData(list[1])
		return key + " : " + data, err
	}
	o, _ := v.(map[string]any)
	elem, ok := o["elem"].(map[string]any)
	if !ok {
		return jsonExpr(v)
	}
	m := &members{of: elem}
	text := m.expr("val")
	for _, key := range []string{"counter", "limit", "quota", "ct count"} {
		if value, ok := elem[key]; ok {
			st, err := jsonStatement(map[string]any{key: value})
			if err != nil {
				return "", err
			}
			text += " " + st
		}
	}
	if t := m.text("timeout", false); t != "" {
		text += " timeout " + t + "s"
	}
	if t := m.text("expires", false); t != "" {
		text += " expires " + t + "s"
	}
	if c := m.text("comment", false); elem["comment"] != nil {
		text += " comment " + m.quoted(c)
	}
	return text, m.err
}

// jsonData is what a map gives: a verdict or a value.
func jsonData(v any) (string, error) {
	if key, value, err := only(v); err == nil {
		if text, ok := jsonVerdict(key, value); ok {
			return text, nil
		}
	}
	return jsonExpr(v)
}

func jsonVerdict(key string, value any) (string, bool) {
	switch key {
	case "accept", "drop", "continue", "return":
		return key, true
	case "jump", "goto":
		o, _ := value.(map[string]any)
		target, _ := o["target"].(string)
		return key + " " + target, isName(target)
	}
	return "", false
}
