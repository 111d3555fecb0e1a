package rules

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// A map's data lie behind the entries of its set, every different row once; an
// entry's value is where its row begins among them. The row
// of a map of ranges has the lower ends of all parts, then the upper ends.

// partOf returns the length of part i of a map's data.
func partOf(s *nft.Set, i int) int {
	if t := s.Data[i]; t != nil && t.Bits > 0 {
		return t.Bits
	}
	if i < len(s.DataExprs) && s.DataExprs[i] != nil {
		return s.DataExprs[i].Bits()
	}
	for e := range s.Elements.All() {
		if i < len(e.Data) {
			return 8 * len(e.Data[i].Lo)
		}
	}
	return 0
}

// dataWords returns the words of one end of a map's data.
func dataWords(s *nft.Set) uint8 {
	n := uint8(0)
	for i := range s.Data {
		n += wordsOf(partOf(s, i))
	}
	return n
}

// rows collects the data of a map.
type rows struct {
	words   []uint64
	at      map[string]uint64
	objects []string // names, of a map to some
}

// object returns the place of an object's row.
func (r *rows) object(name string) uint64 {
	if r.at == nil {
		r.at = make(map[string]uint64, len(r.objects))
		for i, o := range r.objects {
			r.at[o] = uint64(i)
		}
	}
	i, ok := r.at[name]
	if !ok {
		i = uint64(len(r.objects))
		r.at[name] = i
		r.objects = append(r.objects, name)
	}
	return objectWords * i
}

// add returns the place of a row.
func (r *rows) add(row []uint64) uint64 {
	key := make([]byte, 0, 8*len(row))
	for _, w := range row {
		key = binary.BigEndian.AppendUint64(key, w)
	}
	at, ok := r.at[string(key)]
	if !ok {
		if r.at == nil {
			r.at = map[string]uint64{}
		}
		at = uint64(len(r.words))
		r.at[string(key)] = at
		r.words = append(r.words, row...)
	}
	return at
}

// living makes the row of an element that has a node: its value, and its keys, by
// which the node is found.
func (r *rows) living(value uint64, keys []uint64) uint64 {
	at := uint64(len(r.words))
	r.words = append(append(r.words, value), keys...)
	return setHit | at
}

// row makes the row of an element.
func (r *rows) row(s *nft.Set, e *nft.Element, ps *ports) (uint64, error) {
	if len(e.Data) != len(s.Data) {
		return 0, errorf(e.Pos, "element with data of %d parts in a map of %d", len(e.Data), len(s.Data))
	}
	var lo, hi []uint64
	for i, k := range e.Data {
		first, last, ok := ps.keyPart(k)
		if !ok {
			first, last = make([]byte, 4), make([]byte, 4)
		}
		wide := partOf(s, i) > 64
		var err error
		if lo, err = appendKey(lo, e.Pos, first, wide); err != nil {
			return 0, err
		}
		if hi, err = appendKey(hi, e.Pos, last, wide); err != nil {
			return 0, err
		}
	}
	if s.Ranges {
		lo = append(lo, hi...)
	}
	return r.add(lo), nil
}

// mapData is opMap: it looks the key from word at on up and writes its row there.
func (im *Image) mapData(in *ins, p *packet.Packet, env *Env) bool {
	row := im.rowOf(in, p, env)
	if len(row) < int(in.flag) || int(in.key)+int(in.flag) > keyWords {
		return false
	}
	copy(env.key[in.key:], row[:in.flag])
	return true
}

// rowOf looks up a key that need not begin at word 0, and returns the words from its
// row on; nil: there is none.
func (im *Image) rowOf(in *ins, p *packet.Packet, env *Env) []uint64 {
	if uint64(in.arg) >= uint64(len(im.sets)) || in.key >= keyWords {
		return nil
	}
	key := &env.key
	if in.key > 0 {
		var moved [keyWords]uint64
		copy(moved[:], env.key[in.key:])
		key = &moved
	}
	d, value := im.lookupIn(in.arg, key, p, env)
	if value == 0 {
		return nil
	}
	if d.objects != 0 {
		return im.objectAt(d, value)
	}
	return im.rowAt(d, value)
}

// rowAt returns the words behind a set's entries from the place on that a value says.
func (im *Image) rowAt(d *setDesc, value uint64) []uint64 {
	words, at := im.memory(d), d.off+d.rows+uint32(value)
	if uint64(at) > uint64(len(words)) {
		return nil
	}
	return words[at:]
}

// What opNAT takes from the key words, in ins.flag: the address from the first
// on, the port from word ins.shift on, upper ends from word ins.key on.
const (
	natAddr uint8 = 1 << iota
	natPort
	natRange  // the upper ends follow
	natPrefix // only the bits that differ between the ends stay
)

func (lw *lowering) nat(st *nft.NAT) error {
	if b := lw.ref.chain.Base; b != nil && b.Type != nft.TypeNAT {
		return errorf(st.Pos, "nat statement in chain %s, which is not of type nat", lw.ref.chain.Name)
	}
	in := ins{op: opNAT, arg: lw.n.nats}
	lw.n.nats++
	n := uint8(0)
	if st.Addr != nil {
		words, err := lw.value(st.Pos, st.Addr, 0)
		if err != nil {
			return err
		}
		in.flag |= natAddr
		n = 1
		if st.Family == nft.FamilyIP6 {
			n = 2
		}
		if words > n {
			in.flag |= natPort
			in.shift = n
		}
		if m, ok := st.Addr.(*nft.MapLookup); ok && m.Set.Ranges {
			in.flag |= natRange
			in.key = words
		}
		n = words
		if in.flag&natRange != 0 {
			n *= 2
		}
	}
	if st.Port != nil {
		if in.flag&natPort != 0 {
			return errorf(st.Pos, "%s with two ports is not supported", nft.StmtName(st))
		}
		if _, err := lw.value(st.Pos, st.Port, n); err != nil {
			return err
		}
		if m, ok := st.Port.(*nft.MapLookup); ok && m.Set.Ranges {
			return errorf(st.Pos, "a map of port ranges in %s is not supported", nft.StmtName(st))
		}
		in.flag |= natPort
		in.shift = n
	}
	if st.Prefix {
		in.flag |= natPrefix
	}
	lw.out.steps = append(lw.out.steps, step{ins: in})
	return nil
}

// natValues fills in what a NAT statement takes from the key words.
func natValues(in *ins, p *packet.Packet, env *Env) {
	spec := &env.NAT
	if in.flag&natAddr != 0 {
		putAddr(&spec.AddrMin, spec.Family, env.key[:])
		spec.AddrMax = spec.AddrMin
		if in.flag&natRange != 0 {
			putAddr(&spec.AddrMax, spec.Family, env.key[in.key%keyWords:])
		}
		spec.HasAddr = true
	}
	if in.flag&natPort != 0 {
		spec.PortMin = uint16(env.key[in.shift%keyWords])
		spec.PortMax = spec.PortMin
		if at := in.shift + in.key; in.flag&natRange != 0 && in.shift < in.key {
			spec.PortMax = uint16(env.key[at%keyWords])
		}
	}
	if in.flag&natPrefix != 0 {
		var own [16]byte
		if spec.Kind == nft.NATSrc {
			p.SrcAddr(&own)
		} else {
			p.DstAddr(&own)
		}
		for i := range own {
			free := spec.AddrMin[i] ^ spec.AddrMax[i]
			own[i] = own[i]&free | spec.AddrMin[i]&^free
		}
		spec.AddrMin, spec.AddrMax = own, own
	}
}

// putAddr writes an address from key words, its family's.
func putAddr(a *[16]byte, family uint8, key []uint64) {
	*a = [16]byte{}
	if family == flowtable.FamilyIPv6 && len(key) > 1 {
		binary.BigEndian.PutUint64(a[:], key[0])
		binary.BigEndian.PutUint64(a[8:], key[1])
	} else if len(key) > 0 {
		binary.BigEndian.PutUint32(a[:], uint32(key[0]))
	}
}
