package iptables

import (
	"fmt"
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

// IPSet is a set as `ipset save` writes it, for rules that name it.
type IPSet struct {
	Pos  nft.Pos
	Name string
	decl string // of nft, behind `add set TABLE NAME`
	set  *nft.Set
	elem []string
}

// partKinds are the parts of ip sets' types and the types of their keys.
var partKinds = map[string][]string{
	"ip": {"addr"}, "net": {"addr"}, "port": {"inet_proto", "inet_service"}, "mac": {"ether_addr"}, "iface": {"ifname"}, "mark": {"mark"},
}

// ParseIPSets reads what `ipset save` writes: create and add lines. Errors have
// their place.
func ParseIPSets(file string, text []byte) ([]*IPSet, error) {
	var list []*IPSet
	parts := map[*IPSet][]string{}
	line := 0
	for s := range strings.Lines(string(text)) {
		line++
		words, err := split(s, nft.Pos{File: file, Line: line, Col: 1})
		if err != nil {
			return nil, err
		}
		if len(words) == 0 || strings.HasPrefix(words[0].text, "#") {
			continue
		}
		if len(words) < 3 {
			return nil, errorf(words[0].pos, "a name and what follows it are missing")
		}
		var have *IPSet
		for _, one := range list {
			if one.Name == words[1].text {
				have = one
			}
		}
		switch cmd := words[0].text; {
		case cmd == "create" && have == nil:
			set, kinds, err := createSet(words)
			if err != nil {
				return nil, err
			}
			list = append(list, set)
			parts[set] = kinds
		case cmd == "create":
			return nil, errorf(words[1].pos, "set %s is there already", words[1].text)
		case cmd == "add" && have == nil:
			return nil, errorf(words[1].pos, "there is no set %s", words[1].text)
		case cmd == "add":
			if err := have.addElement(words, parts[have]); err != nil {
				return nil, err
			}
		default:
			return nil, errorf(words[0].pos, "%q is not supported: only create and add are", cmd)
		}
	}
	return list, nil
}

func createSet(words []word) (*IPSet, []string, error) {
	set := &IPSet{Pos: words[0].pos, Name: words[1].text}
	method, kind, ok := strings.Cut(words[2].text, ":")
	if !ok || method != "hash" && method != "bitmap" {
		return nil, nil, errorf(words[2].pos, "sets of type %s are not supported", words[2].text)
	}
	addr, flags, timeout, size := "ipv4_addr", []string(nil), "", ""
	for i := 3; i < len(words); i++ {
		arg := word{}
		takes := func() { i++; arg = words[min(i, len(words)-1)] }
		switch w := words[i]; w.text {
		case "family":
			if takes(); arg.text == "inet6" {
				addr = "ipv6_addr"
			}
		case "timeout":
			if takes(); arg.text != "0" {
				timeout = " timeout " + arg.text + "s;"
			}
			flags = append(flags, "timeout")
		case "maxelem":
			takes()
			size = " size " + arg.text + ";"
		case "hashsize", "netmask", "range", "bucketsize", "initval", "markmask":
			if takes(); w.text == "netmask" || w.text == "markmask" {
				return nil, nil, errorf(w.pos, "%s is not supported", w.text)
			}
		case "counters", "comment":
		default:
			return nil, nil, errorf(w.pos, "%s is not supported", w.text)
		}
	}
	kinds := strings.Split(kind, ",")
	var types []string
	set.set = &nft.Set{Name: set.Name}
	for _, k := range kinds {
		if partKinds[k] == nil {
			return nil, nil, errorf(words[2].pos, "sets of type %s are not supported", words[2].text)
		}
		for _, t := range partKinds[k] {
			if method == "bitmap" && t == "inet_proto" {
				continue
			}
			if t == "addr" {
				t = addr
			}
			types = append(types, t)
			set.set.Key = append(set.set.Key, keyTypes[t])
		}
	}
	if timeout == "" && flags == nil || strings.Contains(kind, "net") {
		flags = append(flags, "interval")
	}
	set.decl = fmt.Sprintf("{ type %s; flags %s;%s%s }", strings.Join(types, " . "), strings.Join(flags, ","), timeout, size)
	return set, kinds, nil
}

var keyTypes = map[string]*nft.Type{
	"ipv4_addr": nft.TypeIPv4, "ipv6_addr": nft.TypeIPv6, "inet_proto": nft.TypeProto, "inet_service": nft.TypeService,
	"ether_addr": nft.TypeEther, "ifname": nft.TypeIfname, "mark": nft.TypeMark,
}

func (s *IPSet) addElement(words []word, kinds []string) error {
	values := strings.Split(words[2].text, ",")
	if len(values) != len(kinds) {
		return errorf(words[2].pos, "%q has %d parts, the set's keys have %d", words[2].text, len(values), len(kinds))
	}
	var parts []string
	for i, v := range values {
		if kinds[i] != "port" {
			parts = append(parts, v)
			continue
		}
		proto, port, two := strings.Cut(v, ":")
		switch {
		case len(s.set.Key) == 1: // of a bitmap
			parts = append(parts, v)
		case two:
			parts = append(parts, proto, port)
		default:
			parts = append(parts, "tcp", v)
		}
	}
	elem := strings.Join(parts, " . ")
	for i := 3; i < len(words); i++ {
		switch w := words[i]; w.text {
		case "timeout":
			if i++; i < len(words) && words[i].text != "0" {
				elem += " timeout " + words[i].text + "s"
			}
		case "packets", "bytes", "comment":
			i++
		default:
			return errorf(w.pos, "%s is not supported", w.text)
		}
	}
	s.elem = append(s.elem, elem)
	return nil
}
