package rules

import (
	"fmt"
	"math/big"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// unjudged is what the twin says about what it cannot foresee.
type unjudged string

// rare is the twin's value for what few rules ask for.
func (l *twin) rare(e nft.Expr, p *packet.Packet) (*big.Int, bool) {
	switch e := e.(type) {
	case *nft.Meta:
		switch e.Key {
		case nft.MetaTime, nft.MetaHour, nft.MetaCPU, nft.MetaSdif, nft.MetaSdifname, nft.MetaIifgroup, nft.MetaOifgroup:
			return num(0)
		case nft.MetaDay:
			return num(4)
		}
		panic(unjudged("random"))
	case *nft.Fib, *nft.RT, *nft.Xfrm:
		return nil, false // there are no routes, and no states of IPsec
	case *nft.Numgen:
		if e.Random {
			panic(unjudged("random"))
		}
		if l.counts == nil {
			l.counts = map[*nft.Numgen]uint64{}
		}
		n := l.counts[e] % uint64(e.Mod)
		l.counts[e]++
		return num(n + uint64(e.Offset))
	case *nft.Hash:
		panic(unjudged("hash"))
	case *nft.Option:
		return l.option(e, p)
	}
	panic(fmt.Sprintf("twin: %T", e))
}

func (l *twin) option(e *nft.Option, p *packet.Packet) (*big.Int, bool) {
	if e.Kind == nft.OptionIPv6 && p.Family != 10 || e.Kind == nft.OptionIPv4 && p.Family != 2 ||
		!e.Exists && (e.Kind == nft.OptionTCP && p.Proto != 6 || e.Kind == nft.OptionSCTP && p.Proto != 132) {
		return nil, false
	}
	at, size, ok := l.findOption(e, p)
	if e.Exists {
		if ok && at > 0 {
			return num(1)
		}
		return num(0)
	}
	if !ok || at == 0 || int(e.Field.Offset+e.Field.Length+7)/8 > size {
		return nil, false
	}
	v := new(big.Int).SetBytes(p.Data[at+int(e.Field.Offset/8) : at+int(e.Field.Offset+e.Field.Length+7)/8])
	v.Rsh(v, uint(7-(e.Field.Offset+e.Field.Length+7)%8))
	return v.And(v, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(e.Field.Length)), big.NewInt(1))), true
}

// findOption lists all options and takes the first of the kind: 0 is none,
// false says that the header is not whole.
func (l *twin) findOption(e *nft.Option, p *packet.Packet) (at, size int, ok bool) {
	type item struct{ code, at, size int }
	var items []item
	cut := false // the header after the last item is not whole
	end := int(p.End)
	switch e.Kind {
	case nft.OptionIPv4:
		at, ok := routerOption(p.Data[p.L3:][:p.Data[p.L3]&15*4], e.Code)
		return at + int(p.L3), end - at - int(p.L3), ok
	case nft.OptionTCP:
		if p.Proto != 6 || p.Flags&packet.FlagL4 == 0 || p.Flags&packet.FlagLaterFrag != 0 {
			return 0, 0, false
		}
		at, end = int(p.L4)+20, int(p.L4)+int(p.Data[p.L4+12]>>4)*4
		if end > int(p.End) {
			return 0, 0, false
		}
		for at < end-1 {
			n := int(p.Data[at+1])
			if p.Data[at] < 2 || n == 0 {
				n = 1
			}
			items = append(items, item{int(p.Data[at]), at, n})
			at += n
		}
	case nft.OptionIPv6:
		next := p.Data[p.L3+6]
		for at = int(p.L3) + 40; ; {
			need, unit := 2, 8
			switch next {
			case 0, 60:
			case 43:
				need = 4
			case 44:
				need, unit = 4, 0
			case 51:
				unit = 4
			default:
				need = 0
			}
			if need == 0 && at < end {
				items = append(items, item{int(next), at, end - at})
			}
			if cut = at+need > end; need == 0 || cut {
				break
			}
			n := 8 + int(p.Data[at+1])*unit
			items = append(items, item{int(next), at, end - at})
			if next == 44 && (p.Data[at+2] != 0 || p.Data[at+3] > 7) {
				break
			}
			next, at = p.Data[at], at+n
		}
	default:
		return 0, 0, false
	}
	for _, i := range items {
		if i.code == int(e.Code) {
			return i.at, i.size, i.at+i.size <= end
		}
	}
	return 0, 0, !cut
}

func (l *twin) ctMore(e *nft.CT, p *packet.Packet) (*big.Int, bool) {
	sum := func(v [2]uint64) uint64 {
		if e.Dir >= 0 {
			return v[e.Dir]
		}
		return v[0] + v[1]
	}
	switch e.Key {
	case nft.CTPackets:
		return num(sum(p.Ct.Packets))
	case nft.CTBytes:
		return num(sum(p.Ct.Bytes))
	case nft.CTAvgpkt:
		if sum(p.Ct.Packets) == 0 {
			return num(0)
		}
		return num(sum(p.Ct.Bytes) / sum(p.Ct.Packets))
	case nft.CTZone:
		if _, ok := flowtable.Invert(&p.Ct.Tuple); e.Dir != 0 && !ok {
			return nil, false // a flow that could not be
		}
		return num(uint64(p.Ct.Tuple.Zone))
	case nft.CTLabel:
		return num(0) // there is no shard to keep any
	}
	return nil, false
}

// routerOption finds an option in an IPv4 header, of which every option must be as a
// router wants it.
func routerOption(h []byte, code uint8) (at int, ok bool) {
	seen := map[string]int{}
	for at = 20; at < len(h) && h[at] != 0; {
		if h[at] == 1 {
			at++
			continue
		}
		if at+1 == len(h) || h[at+1] < 2 || at+int(h[at+1]) > len(h) {
			return 0, false
		}
		o := h[at : at+int(h[at+1])]
		name := map[byte]string{7: "record", 68: "times", 131: "route", 137: "route", 134: "label", 148: "alert"}[o[0]]
		if name != "" && name != "alert" && seen[name] != 0 {
			return 0, false
		}
		room := func(size, least int) bool { // a slot of that size, or none at all
			return len(o) >= least-1 && int(o[2]) >= least && (int(o[2]) > len(o) || int(o[2])+size-1 <= len(o))
		}
		good := true
		switch name {
		case "record":
			good = room(4, 4)
		case "route":
			good = len(o) >= 7 && o[2] == 4 && len(o)%4 == 3
		case "times":
			size, full := 4, len(o) >= 4 && int(o[2]) > len(o)
			if len(o) >= 4 && (o[3]&15 == 1 || o[3]&15 == 3) {
				size = 8
			}
			good = room(size, 5) && !(full && o[3]&15 != 3 && o[3]>>4 == 15)
		case "label":
			good = false
		case "alert":
			if good = len(o) >= 4; good && (o[2] != 0 || o[3] != 0) {
				name = ""
			}
		}
		if !good {
			return 0, false
		}
		seen[name] = at
		at += len(o)
	}
	at = seen[map[byte]string{7: "record", 131: "route", 137: "route", 148: "alert"}[code]]
	return at, at != 0 && (h[at] == code)
}
