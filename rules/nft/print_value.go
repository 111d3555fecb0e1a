package nft

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// exprText shows a left side.
func exprText(e Expr, opt *PrintOptions) string {
	switch e := e.(type) {
	case *Payload:
		return e.Field.Proto + " " + e.Field.Name
	case *Meta:
		k := &metaKeys[e.Key]
		switch e.Key {
		case MetaIif, MetaOif, MetaIifname, MetaOifname, MetaIifgroup, MetaOifgroup:
			return k.name
		}
		return "meta " + k.name
	case *CT:
		s := "ct "
		name := ctKeys[e.Key].name
		switch e.Key {
		case CTSaddr, CTDaddr:
			name = familyName(e.Family) + " " + name
		}
		if e.Dir >= 0 && e.Key != CTL3proto && e.Key != CTProtocol {
			s += [...]string{"original ", "reply "}[e.Dir]
		}
		return s + name
	case *Masked:
		return operandText(e.E, "&", opt) + " & " + maskText(e, opt)
	case *Option:
		return optionText(e, opt)
	case *Raw:
		return rawText(e, opt)
	case *RT, *Fib, *Socket, *OSF, *Numgen, *Hash, *Xfrm:
		return otherText(e, opt)
	case *Binop:
		r := e.R
		if c, ok := r.(*Const); ok && (e.Op == "<<" || e.Op == ">>") {
			return operandText(e.L, e.Op, opt) + " " + e.Op + " " + strconv.FormatUint(getUint(c.Data), 10)
		}
		return operandText(e.L, e.Op, opt) + " " + e.Op + " " + operandText(r, e.Op, opt)
	case *Const:
		return partText(e.T, &KeyPart{Lo: e.Data, Hi: e.Data, PrefixLen: e.PrefixLen, Name: e.Name}, opt)
	case *MapLookup:
		return exprText(e.Key, opt) + " map " + setText(plainKeys(e.Set), opt)
	case *Concat:
		parts := make([]string, len(e.Es))
		for i, x := range e.Es {
			parts[i] = exprText(x, opt)
		}
		return strings.Join(parts, " . ")
	}
	return ""
}

// looseness orders operators as nft's grammar does: a larger one binds less tightly.
var looseness = map[string]int{"<<": 1, ">>": 1, "&": 2, "^": 3, "|": 4}

// operandText is an operand of op, in parentheses where it would be read otherwise.
func operandText(e Expr, op string, opt *PrintOptions) string {
	inner := 0
	switch e := e.(type) {
	case *Binop:
		inner = looseness[e.Op]
	case *Masked:
		inner = looseness["&"]
	}
	if inner > looseness[op] {
		return "(" + exprText(e, opt) + ")"
	}
	return exprText(e, opt)
}

func maskText(m *Masked, opt *PrintOptions) string {
	t := m.E.Type()
	if !t.Bitmask {
		return constText(t, m.Mask, opt)
	}
	s := flagsText(t, m.Mask, " | ", opt)
	if strings.Contains(s, "|") {
		return "(" + s + ")"
	}
	return s
}

// flagsText shows the names of the bits, lowest first.
func flagsText(t *Type, b []byte, sep string, opt *PrintOptions) string {
	if t == TypeCTLabel {
		var bits []string
		for i := range 8 * len(b) {
			if b[len(b)-1-i/8]>>(i%8)&1 != 0 {
				bits = append(bits, constText(t, labelBit(i, len(b)), opt))
			}
		}
		return strings.Join(bits, sep)
	}
	v := getUint(b)
	var parts []string
	for bit := uint64(1); bit != 0 && v != 0; bit <<= 1 {
		if v&bit == 0 {
			continue
		}
		n := t.Symbol(bit)
		if opt.Symbols {
			n = fmt.Sprintf("0x%x", bit)
		}
		if n == "" {
			return hexText(t, b, opt)
		}
		parts = append(parts, n)
		v &^= bit
	}
	if parts == nil {
		return hexText(t, b, opt)
	}
	return strings.Join(parts, sep)
}

// labelBit is a label alone.
func labelBit(n, size int) []byte {
	b := make([]byte, size)
	b[size-1-n/8] = 1 << (n % 8)
	return b
}

func hexText(t *Type, b []byte, opt *PrintOptions) string {
	v := getUint(b)
	if t.Bitmask {
		return "0x" + strconv.FormatUint(v, 16)
	}
	digits := 2 * len(b)
	if t.Bits > 0 {
		digits = (t.Bits + 3) / 4
	}
	return fmt.Sprintf("0x%0*x", digits, v)
}

var opText = [...]string{OpEq: "== ", OpNe: "!= ", OpLt: "< ", OpGt: "> ", OpLe: "<= ", OpGe: ">= ", OpAny: ""}

func matchText(m *Match, opt *PrintOptions) string {
	mask := masked(m.Left)
	t := m.Left.Type()
	op := opText[m.Op]
	if e, bits := rawOf(m.Left); e != nil && e.Type() != TypeService {
		if _, ok := m.Right.(*SetRef); !ok {
			return rawMatchText(e, bits, m, opt)
		}
	}
	if m.Op == OpEq {
		op = ""
		_, ranged := m.Right.(*Range)
		if _, b := m.Left.(*Binop); (mask != nil || b) && (!ranged || t == TypeRaw) {
			op = "== "
		}
	}
	switch v := m.Right.(type) {
	case *Const:
		// The order of values kept in the machine's byte order has no names.
		if t != nil && t.Host && t.Symbols != nil && t != TypeRealm && t != TypeDevgroup && m.Op >= OpLt && m.Op <= OpGe {
			return exprText(m.Left, opt) + " " + op + constText(numeric(t), v.Data, opt)
		}
		if t != nil && t.Bitmask {
			return flagMatchText(m, mask, v, opt)
		}
		return exprText(m.Left, opt) + " " + op + partText(t, &KeyPart{Lo: v.Data, Hi: v.Data, PrefixLen: v.PrefixLen, Name: v.Name}, opt)
	case *Range:
		return exprText(m.Left, opt) + " " + op + rangeText(t, v.Lo, v.Hi, opt)
	case *SetRef:
		if mask != nil {
			return exprText(m.Left, opt) + " " + op + setText(plainKeys(v.Set), opt)
		}
		return exprText(m.Left, opt) + " " + op + setText(v.Set, opt)
	}
	return ""
}

// rawOf is the raw bits a left side reads, and their mask.
func rawOf(e Expr) (*Raw, []byte) {
	switch e := e.(type) {
	case *Raw:
		return e, nil
	case *Masked:
		if r, ok := e.E.(*Raw); ok {
			return r, e.Mask
		}
	}
	return nil, nil
}

// flagMatchText shows a match on flags.
func flagMatchText(m *Match, mask *Masked, v *Const, opt *PrintOptions) string {
	t := m.Left.Type()
	if mask == nil {
		s := exprText(m.Left, opt) + " "
		switch m.Op {
		case OpAny:
			return s + flagsText(t, v.Data, ",", opt)
		case OpEq:
			s += "== "
		default:
			s += opText[m.Op]
		}
		if t == TypeTCPFlag {
			if n := t.Symbol(getUint(v.Data)); n != "" && !opt.Symbols {
				return s + n
			}
			return s + hexText(t, v.Data, opt)
		}
		return s + flagsText(t, v.Data, " | ", opt)
	}
	s := exprText(mask.E, opt) + " "
	if m.Op == OpEq && isZero(v.Data) {
		return s + "! " + flagsText(t, mask.Mask, ",", opt)
	}
	if bits := flagsText(t, mask.Mask, ",", opt); strings.Contains(bits, ",") {
		if m.Op == OpNe {
			s += "!= "
		}
		return s + flagsText(t, v.Data, ",", opt) + " / " + bits
	}
	op := opText[m.Op]
	return s + "& " + maskText(mask, opt) + " " + op + flagsText(t, v.Data, " | ", opt)
}

// inRule are the elements of a set in a rule.
func (o *PrintOptions) inRule(s *Set) []*Element {
	if !o.written || s.Flags&SetInterval != 0 {
		return s.Elements.List()
	}
	return slices.SortedStableFunc(s.Elements.All(), func(a, b *Element) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
}

func setText(s *Set, opt *PrintOptions) string {
	if s.Name != "" {
		return "@" + s.Name
	}
	var parts []string
	for _, e := range opt.inRule(s) {
		parts = append(parts, elementText(s, e, opt))
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

func elementText(s *Set, e *Element, opt *PrintOptions) string {
	parts := make([]string, len(e.Key))
	for i := range e.Key {
		k, t := e.Key[i], s.Key[i]
		if k.PrefixLen < 0 && prefixTypes[t] && !bytes.Equal(k.Lo, k.Hi) {
			k.PrefixLen = prefixOf(k.Lo, k.Hi)
		}
		if !prefixTypes[t] && t != TypeIfname {
			k.PrefixLen = -1 // of other types a set has ranges
		}
		if t.Bitmask && bytes.Equal(k.Lo, k.Hi) {
			parts[i] = flagsText(t, k.Lo, " | ", opt)
		} else {
			parts[i] = partText(t, &k, opt)
		}
	}
	out := strings.Join(parts, " . ")
	if e.Any {
		out = "*"
	}
	for _, st := range e.Stmts {
		out += " " + stateText(st, opt)
	}
	if e.Timeout > 0 {
		out += " timeout " + timeText(e.Timeout, opt)
	}
	if e.Expires > 0 && !opt.Stateless {
		out += " expires " + timeText(e.Expires, opt)
	}
	if e.Comment != "" || e.empty {
		out += ` comment "` + e.Comment + `"`
	}
	if e.Verdict != nil {
		out += " : " + verdictText(e.Verdict)
	}
	if s.HoldsObjects {
		out += ` : "` + e.Object + `"`
	}
	for i := range e.Data {
		d := e.Data[i]
		if s.Ranges && prefixTypes[s.Data[i]] {
			d.PrefixLen = prefixOf(d.Lo, d.Hi)
		}
		out += [...]string{" : ", " . "}[min(i, 1)] + partText(s.Data[i], &d, opt)
	}
	return out
}

// partText shows a value, prefix or range.
func partText(t *Type, k *KeyPart, opt *PrintOptions) string {
	switch {
	case k.Name != "":
		return `"` + k.Name + `"`
	case t == TypeIfname && k.PrefixLen >= 0:
		return `"` + string(k.Lo[:k.PrefixLen/8]) + `*"`
	case k.PrefixLen >= 0:
		return constText(t, k.Lo, opt) + "/" + strconv.Itoa(k.PrefixLen)
	case bytes.Equal(k.Lo, k.Hi):
		return constText(t, k.Lo, opt)
	}
	return rangeText(t, k.Lo, k.Hi, opt)
}

// rangeText shows both ends as numbers, never as names.
func rangeText(t *Type, lo, hi []byte, opt *PrintOptions) string {
	if t == TypeTime {
		return fmt.Sprintf("%ds-%ds", getUint(lo)/1000, getUint(hi)/1000)
	}
	if t != nil && t.Symbols != nil {
		t = numeric(t)
	}
	return constText(t, lo, opt) + "-" + constText(t, hi, opt)
}

// numeric is a type without names.
func numeric(t *Type) *Type { return &Type{Name: t.Name, Bits: t.Bits, Hex: t.Hex, Bitmask: t.Bitmask} }

// constText shows one value of a type.
func constText(t *Type, b []byte, opt *PrintOptions) string {
	switch t {
	case TypeProto:
		if opt.Protocols {
			t = TypeInteger
		}
	case TypeIPv4, TypeIPv6:
		return addrText(b)
	case TypeEther:
		var s []string
		for _, c := range b {
			s = append(s, fmt.Sprintf("%02x", c))
		}
		return strings.Join(s, ":")
	case TypeIfname:
		name := string(bytes.TrimRight(b, "\x00"))
		if strings.HasSuffix(name, "*") {
			name = name[:len(name)-1] + `\*`
		}
		return `"` + name + `"`
	case TypeTime:
		return timeText(getUint(b), opt)
	case TypeIfindex:
		if getUint(b) == 1 { // Linux has it first in each network namespace
			return `"lo"`
		}
	}
	if s := specialText(t, b, opt); s != "" {
		return s
	}
	if len(b) > 8 && t != TypeRaw {
		return fmt.Sprintf("0x%x", b)
	}
	if t == TypeRaw || t == TypeBitmask {
		return bigHex(b)
	}
	v := getUint(b)
	if n := t.Symbol(v); n != "" {
		switch {
		case t == TypeService && opt.Services:
			return `"` + n + `"`
		case !t.Hidden && !opt.Symbols:
			return n
		}
	}
	if t.Hex {
		return hexText(t, b, opt)
	}
	return strconv.FormatUint(v, 10)
}

// addrText shows an address as the C library does.
func addrText(b []byte) string {
	a, _ := netip.AddrFromSlice(b)
	if len(b) == 16 && isZero(b[:12]) && (b[12] != 0 || b[13] != 0) {
		return "::" + netip.AddrFrom4([4]byte(b[12:])).String()
	}
	return a.String()
}

// timeText shows milliseconds as 1d2h3m4s5ms.
func timeText(ms uint64, opt *PrintOptions) string {
	if ms == 0 {
		return "0s"
	}
	if opt.Time {
		return strconv.FormatUint(ms/1000, 10) + "s"
	}
	s := ""
	for _, u := range []struct {
		n    uint64
		name string
	}{{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}} {
		if ms >= u.n {
			s += strconv.FormatUint(ms/u.n, 10) + u.name
			ms %= u.n
		}
	}
	return s
}
