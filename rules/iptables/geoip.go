package iptables

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The geoip match of xtables-addons 3: addresses by country, from a database of
// one file for each country and family, CC.iv4 and CC.iv6. A file is ranges in order,
// each the first and the last address of one, in network byte order.

// CountryDir is where xtables-addons keeps the database.
const CountryDir = "/usr/share/xt_geoip"

// CountryFiles returns the reader of a database in a folder; "": CountryDir. What is
// not in the folder is looked for in its subfolders BE and LE, where versions before
// 3 kept it in the byte order of either kind of machine. May be called by anyone.
func CountryFiles(dir string) func(file string) ([]byte, error) {
	if dir == "" {
		dir = CountryDir
	}
	return func(file string) ([]byte, error) {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if !errors.Is(err, fs.ErrNotExist) {
			return data, err
		}
		if data, err := os.ReadFile(filepath.Join(dir, "BE", file)); err == nil {
			return data, nil
		}
		data, old := os.ReadFile(filepath.Join(dir, "LE", file))
		if old != nil {
			return nil, err
		}
		for b := data; len(b) >= 4; b = b[4:] {
			binary.BigEndian.PutUint32(b, binary.LittleEndian.Uint32(b))
		}
		return data, nil
	}
}

const maxCountries = 15

func init() {
	countries := func(name, alias, not string) option {
		return option{name: name, alias: alias, kind: kCustom, inv: true, not: not, parse: parseCountries, print: func(_ *Instance, v *value) string {
			return strings.Join(v.x.([]string), ",") + " " // as the tool prints it
		}}
	}
	register(matches, extension{
		name: "geoip", family: both, one: "source-country destination-country",
		opts: []option{
			countries("source-country", "src-cc", "destination-country"),
			countries("destination-country", "dst-cc", "source-country"),
		},
	})
}

func parseCountries(_ *Instance, _ *Rule, v *value, s []word) error {
	var list []string
	for i, code := range strings.Split(s[0].text, ",") {
		if i == maxCountries {
			return errorf(s[0].pos, "geoip: too many countries specified")
		}
		if len(code) != 2 || strings.Trim(strings.ToLower(code), "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return errorf(s[0].pos, "geoip: invalid country code '%s'", code)
		}
		if code = strings.ToUpper(code); !slices.Contains(list, code) {
			list = append(list, code)
		}
	}
	v.x = list
	return nil
}

// span of addresses, both ends part of it.
type addrSpan struct{ first, last netip.Addr }

// lowerGeoIP makes a set of the addresses of all countries of a list. Its name says
// which, and what the database said, so a set of that name is right as it is.
func lowerGeoIP(l *lower, x *Instance) error {
	if l.alone {
		return l.refuse(x, "nft has no countries: the addresses are those of a database")
	}
	v, key := x.opt("source-country"), "saddr"
	if !v.set {
		v, key = x.opt("destination-country"), "daddr"
	}
	codes := slices.Clone(v.x.([]string))
	slices.Sort(codes)
	var list []addrSpan
	for _, code := range codes {
		var err error
		if list, err = l.country(list, code); err != nil {
			return errorf(x.Pos, "geoip: the database of countries: %v", err)
		}
	}
	var text strings.Builder
	sum := fnv.New64a()
	for i, s := range joined(list) {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(s.first.String())
		if s.first != s.last {
			text.WriteString("-" + s.last.String())
		}
	}
	_, _ = sum.Write([]byte(text.String())) // a hash takes everything
	name := fmt.Sprintf("%sgeoip_%s_%016x", generated, strings.Join(codes, "_"), sum.Sum64())
	have := l.sets(name) != nil
	l.declare(name, fmt.Sprintf("add set @TABLE %s { type %s; flags interval; }", name, l.addrType()))
	if text.Len() > 0 && !have {
		l.declare(name+" elements", fmt.Sprintf("add element @TABLE %s { %s }", name, text.String()))
	}
	l.add("%s %s %s@%s", l.ip, key, op(v.neg), name)
	return nil
}

// country adds the ranges of a country to a list.
func (l *lower) country(list []addrSpan, code string) ([]addrSpan, error) {
	file, size := code+".iv4", 4
	if l.family == IPv6 {
		file, size = code+".iv6", 16
	}
	data, err := l.countries(file)
	if err != nil {
		return nil, err
	}
	if len(data)%(2*size) != 0 {
		return nil, fmt.Errorf("%s has %d bytes, which are no whole ranges", file, len(data))
	}
	for n := 0; len(data) > 0; n++ {
		if bytes.Compare(data[:size], data[size:2*size]) > 0 {
			return nil, fmt.Errorf("%s: range %d ends before it begins", file, n+1)
		}
		first, _ := netip.AddrFromSlice(data[:size])
		last, _ := netip.AddrFromSlice(data[size : 2*size])
		list, data = append(list, addrSpan{first, last}), data[2*size:]
	}
	return list, nil
}

// joined puts ranges in order and makes one of those without a gap between.
func joined(list []addrSpan) []addrSpan {
	slices.SortFunc(list, func(a, b addrSpan) int { return a.first.Compare(b.first) })
	out := list[:0]
	for _, s := range list {
		if n := len(out); n > 0 && (s.first.Compare(out[n-1].last) <= 0 || s.first == out[n-1].last.Next()) {
			if out[n-1].last.Less(s.last) {
				out[n-1].last = s.last
			}
			continue
		}
		out = append(out, s)
	}
	return out
}
