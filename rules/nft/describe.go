package nft

import (
	"fmt"
	"strings"
)

// parseDescribe reads an expression or the name of a type and keeps the answer.
func (p *parser) parseDescribe(c *command) {
	c.query.object = "describe"
	t := *p.peek()
	switch {
	case p.startsSelector():
		c.query.text = describeExpr(p.parseSelector())
	case t.kind == tokWord && !reserved[t.text] && !hasProto(t.text):
		p.take()
		if typ := describedType(t.text); typ != nil {
			c.query.text = "datatype " + describeType(typ) + fmt.Sprintf(", %d bits\n", typ.Bits) + describeSymbols(typ, true)
			break
		}
		c.query.text = "symbol expression, datatype invalid (invalid)"
	case t.kind == tokNumber || t.kind == tokWord && t.addr:
		p.take()
		c.query.text = "symbol expression, datatype invalid (invalid)"
	default:
		if t.kind == tokWord {
			p.take()
		}
		p.unexpected("")
	}
}

// describedType finds a type by name, those too that no set can have.
func describedType(name string) *Type {
	for _, t := range []*Type{TypeInteger, TypeString, TypeBitmask} {
		if t.Name == name {
			return t
		}
	}
	if name == TypeString.Name {
		return &Type{Name: name, Desc: TypeString.Desc}
	}
	return typeByName(name)
}

// describeExpr says what a selector is.
func describeExpr(r *raw) string {
	kind := ""
	switch r.expr.(type) {
	case *Payload, *Raw:
		kind = "payload"
	case *Meta:
		kind = "meta"
	case *CT:
		kind = "ct"
	case *Option:
		kind = "exthdr"
	case *RT:
		kind = "rt"
	case *Fib:
		kind = "fib"
	case *Socket:
		kind = "socket"
	case *OSF:
		kind = "osf"
	case *Numgen:
		kind = "numgen"
	case *Hash:
		kind = "hash"
	case *Xfrm:
		kind = "xfrm"
	}
	var t *Type
	switch e := r.expr.(type) {
	case *CT:
		if e.Key != CTSaddr && e.Key != CTDaddr || r.ctFamily {
			t = e.Type()
		}
	case *RT:
		if e.Key != RTNexthop || e.Family != 0 {
			t = e.Type()
		}
	default:
		t = r.expr.Type()
	}
	if t == nil {
		return kind + " expression, datatype invalid (invalid)"
	}
	bits := r.expr.Bits()
	if o, ok := r.expr.(*Option); ok && o.Exists && o.Field != nil {
		t, bits = o.Field.T, int(o.Field.Length)
	} else if ok && o.Exists {
		bits = 8
		t = TypeInteger
		if o.Kind == OptionIPv6 {
			t = TypeProto
		}
	}
	size := fmt.Sprintf("%d bits", bits)
	if isText(t) {
		size = fmt.Sprintf("%d characters", bits/8)
	}
	return kind + " expression, datatype " + describeType(t) + ", " + size + "\n" + describeSymbols(t, false)
}

func isText(t *Type) bool { return t == TypeIfname || t == TypeString }

// describeType is a type's name and meaning, and what it is made of.
func describeType(t *Type) string {
	s := t.Name + " (" + t.Desc + ")"
	switch {
	case t.Name == "integer" || t.Name == "string" || t == TypeVerdict:
		return s
	case isText(t):
		return s + " (basetype string)"
	case t == TypeEther:
		return s + " (basetype link layer address, integer)"
	case t.Bitmask && t != TypeBitmask:
		return s + " (basetype bitmask, integer)"
	}
	return s + " (basetype integer)"
}

// describeSymbols lists the names of a type's values. Of a type alone nft shows
// values of two bytes in the order in which they are in memory.
func describeSymbols(t *Type, alone bool) string {
	if t.Symbols == nil || t.Hidden || t == TypeRealm || t == TypeDevgroup {
		return ""
	}
	var b strings.Builder
	if t == TypeProto {
		for _, s := range t.Symbols {
			fmt.Fprintf(&b, "\t%-30s\t%d\n", s.Name, s.Value)
		}
		return b.String()
	}
	hex := t.Hex || t == TypeARPOp || t == TypeDCCPType || t == TypeIftype
	if hex {
		b.WriteString("\npre-defined symbolic constants (in hexadecimal):\n")
	} else {
		b.WriteString("\npre-defined symbolic constants (in decimal):\n")
	}
	for _, s := range t.Symbols {
		v := s.Value
		if !hex {
			fmt.Fprintf(&b, "\t%-30s\t%20d\n", s.Name, v)
			continue
		}
		bytes := sizeOf(t.Bits)
		if alone && !t.Host && bytes == 2 {
			v = v>>8&0xff | v<<8&0xff00
		}
		fmt.Fprintf(&b, "\t%-30s\t0x%0*x\n", s.Name, 2*bytes, v)
	}
	return b.String()
}
