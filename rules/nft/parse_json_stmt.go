package nft

import (
	"strings"
)

// jsonStatement is a statement as text.
func jsonStatement(v any) (string, error) {
	key, value, err := only(v)
	if err != nil {
		return "", err
	}
	if text, ok := jsonVerdict(key, value); ok {
		return text, nil
	}
	o, isObject := value.(map[string]any)
	if !isObject {
		return jsonPlain(key, value)
	}
	if o["map"] != nil {
		return jsonPlain(key, value)
	}
	m := &members{of: o}
	text := ""
	switch key {
	case "match":
		text = jsonMatch(m)
	case "counter":
		text = "counter packets " + zero(m.text("packets", false)) + " bytes " + zero(m.text("bytes", false))
	case "limit":
		return jsonLimit(o)
	case "quota":
		text = "quota " + m.over() + m.text("val", true) + " " + m.name("val_unit", true)
		if used := m.text("used", false); used != "" && used != "0" {
			text += " used " + used + " " + m.name("used_unit", true)
		}
	case "ct count":
		text = "ct count " + m.over() + m.text("val", true)
	case "last":
		text = "last"
	case "log":
		text = jsonLog(m)
	case "reject":
		text = "reject with " + m.text("type", true)
		if o["expr"] != nil {
			text += " " + m.expr("expr")
		}
	case "mangle":
		text = m.expr("key") + " set " + m.value("value")
	case "vmap":
		text = m.expr("key") + " vmap " + m.expr("data")
	case "snat", "dnat", "masquerade", "redirect":
		text = jsonNAT(key, m)
	case "set", "map":
		data := ""
		if o["data"] != nil {
			data = " : " + m.expr("data")
		}
		text = m.name("op", true) + " " + m.expr("set") + " { " + m.expr("elem") + m.stmts() + data + " }"
	case "meter":
		size := ""
		if s := m.text("size", false); s != "" {
			size = " size " + s
		}
		text = "meter " + m.name("name", true) + size + " { " + m.expr("key") + m.stmts() + " }"
	case "queue":
		text = "queue" + m.flags("flags ", ",") + m.with("to ", "num")
	case "synproxy":
		text = "synproxy" + m.with("mss ", "mss") + m.with("wscale ", "wscale") + m.flags("", " ")
	case "tproxy":
		text = "tproxy"
		if f := m.name("family", false); f != "" {
			text += " " + f
		}
		text += " to " + m.address()
	case "dup":
		text = "dup to " + m.expr("addr") + m.with("device ", "dev")
	case "fwd":
		if o["addr"] != nil {
			text = "fwd " + m.name("family", true) + " to " + m.expr("addr") + " device " + m.expr("dev")
		} else {
			text = "fwd to " + m.expr("dev")
		}
	case "flow":
		text = "flow add " + m.text("flowtable", true)
	case "reset":
		e, err := jsonExpr(value)
		return "reset " + e, err
	default:
		if text = jsonObjectUse(key, value); text == "" {
			return "", wrongJSON("Unknown statement object '%s'.", key)
		}
	}
	return text, m.err
}

// jsonPlain is a statement whose value is no object.
func jsonPlain(key string, value any) (string, error) {
	if value == nil {
		switch key {
		case "counter", "log", "reject", "masquerade", "redirect", "notrack", "last", "synproxy", "queue":
			return key, nil
		}
	}
	if text := jsonObjectUse(key, value); text != "" {
		return text, nil
	}
	return "", wrongJSON("Unknown statement object '%s'.", key)
}

// jsonObjectUse names an object, or a map of them; "" when key is no kind.
func jsonObjectUse(key string, value any) string {
	word := " name "
	switch key {
	case "ct helper", "ct timeout", "ct expectation":
		word = " set "
	case "counter", "quota", "limit", "synproxy", "secmark":
	default:
		return ""
	}
	if name, ok := value.(string); ok {
		if !isName(name) {
			return ""
		}
		return key + word + `"` + name + `"`
	}
	text, err := jsonExpr(value)
	if err != nil {
		return ""
	}
	return key + word + text
}

func (m *members) over() string {
	if v, _ := m.of["inv"].(bool); v {
		return "over "
	}
	return ""
}

func (m *members) stmts() string {
	list, ok := m.of["stmt"].([]any)
	if !ok && m.of["stmt"] != nil {
		list = []any{m.of["stmt"]}
	}
	out := ""
	for _, x := range list {
		text, err := jsonStatement(x)
		if err != nil && m.err == nil {
			m.err = err
		}
		out += " " + text
	}
	return out
}

// flags is a word and the flags, if there are some.
func (m *members) flags(word, sep string) string {
	list := m.words("flags")
	if len(list) == 0 {
		return ""
	}
	return " " + word + strings.Join(list, sep)
}

// value is a member that a statement takes: a list is a list of flags.
func (m *members) value(key string) string {
	if list, ok := m.of[key].([]any); ok {
		text, err := jsonList(list, ",")
		if err != nil && m.err == nil {
			m.err = err
		}
		return text
	}
	return m.expr(key)
}

func jsonMatch(m *members) string {
	op := m.text("op", false)
	left := m.expr("left")
	right := ""
	if list, ok := m.of["right"].([]any); ok {
		sep := ","
		if strings.Contains(left, " & ") {
			sep = " | "
		}
		text, err := jsonList(list, sep)
		if err != nil && m.err == nil {
			m.err = err
		}
		right = text
	} else {
		right = m.expr("right")
	}
	if _, exists := m.of["right"].(bool); exists { // of an option without a name
		left = strings.TrimSuffix(strings.Replace(left, "option @", "option ", 1), ",0,8")
	}
	switch op {
	case "in", "":
		return left + " " + right
	case "==":
		if _, list := m.of["right"].([]any); list && !strings.Contains(left, " & ") {
			return left + " " + right
		}
		if strings.HasPrefix(right, "{") || strings.HasPrefix(right, "@") {
			return left + " " + right
		}
	case "!=", "<", ">", "<=", ">=", "!":
	default:
		m.err = wrongJSON("Unknown relational op '%s'.", op)
	}
	return left + " " + op + " " + right
}

// jsonLimit is a limit, in a rule or of its own.
func jsonLimit(o map[string]any) (string, error) {
	m := &members{of: o}
	rate, burst := m.text("rate", true), m.text("burst", false)
	unit, burstUnit := m.name("rate_unit", false), m.name("burst_unit", false)
	if unit != "" && unit != "packets" {
		rate += " " + unit
	}
	text := "limit rate " + m.over() + rate + "/" + m.name("per", true)
	if burst != "" && !(burst == "0" && unit != "") {
		if burstUnit == "" {
			burstUnit = "packets"
		}
		text += " burst " + burst + " " + burstUnit
	}
	return text, m.err
}

func jsonLog(m *members) string {
	text := "log"
	if m.of["prefix"] != nil {
		text += " prefix " + m.quoted(m.text("prefix", true))
	}
	text += m.with("group ", "group") + m.with("snaplen ", "snaplen") + m.with("queue-threshold ", "queue-threshold") + m.with("level ", "level")
	for _, f := range m.words("flags") {
		text += " flags " + f
	}
	return text
}

// address is addr and port as nat statements have them.
func (m *members) address() string {
	addr := ""
	if m.of["addr"] != nil {
		addr = m.expr("addr")
		if m.of["port"] != nil && strings.Contains(addr, ":") && !strings.Contains(addr, " map ") {
			lo, hi, ranged := strings.Cut(addr, "-")
			if addr = "[" + lo + "]"; ranged {
				addr += "-[" + hi + "]"
			}
		}
	}
	if m.of["port"] != nil {
		addr += ":" + m.expr("port")
	}
	return addr
}

func jsonNAT(word string, m *members) string {
	text := word
	if f := m.name("family", false); f != "" {
		text += " " + f
	}
	for _, f := range m.words("type_flags") {
		text += " " + f
	}
	if a := m.address(); a != "" {
		text += " to " + a
	}
	var flags []string
	for _, f := range m.words("flags") {
		if f != "netmap" { // follows from prefix
			flags = append(flags, f)
		}
	}
	if len(flags) > 0 {
		text += " " + strings.Join(flags, ",")
	}
	return text
}
