package rules

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules/nft"
)

// ports is the interface table of one compilation: row i is port i, and the last
// row is "no port", with the empty name and index 0. Ports that nobody listed
// look like the last row.
type ports struct{ rows []portRow }

type portRow struct {
	name  [16]byte
	index uint32
}

func newPorts(ifs []Interface) (*ports, error) {
	n := 0
	for _, i := range ifs {
		if i.Port == packet.NoPort {
			return nil, fmt.Errorf("interface %q: port number %#x means no port", i.Name, i.Port)
		}
		if i.Name == "" || len(i.Name) > 15 {
			return nil, fmt.Errorf("interface %q: a name has 1 to 15 bytes", i.Name)
		}
		n = max(n, int(i.Port)+1)
	}
	ps := &ports{rows: make([]portRow, n+1)}
	for _, i := range ifs {
		r := &ps.rows[i.Port]
		if r.name[0] != 0 {
			return nil, fmt.Errorf("interfaces %q and %q have the same port %d", bytes.TrimRight(r.name[:], "\x00"), i.Name, i.Port)
		}
		copy(r.name[:], i.Name)
		r.index = i.Index
	}
	return ps, nil
}

// none is the row of "no port".
func (ps *ports) none() int { return len(ps.rows) - 1 }

// indexOf returns the index of the interface with a name.
func (ps *ports) indexOf(name string) (uint32, bool) {
	i, ok := ps.portOf(name)
	return ps.rows[i].index, ok
}

// portOf returns the port with a name.
func (ps *ports) portOf(name string) (int, bool) {
	for i := range ps.rows[:ps.none()] {
		if name != "" && string(bytes.TrimRight(ps.rows[i].name[:], "\x00")) == name {
			return i, true
		}
	}
	return 0, false
}

// bits decides a match on an interface for every row once and for all. Byte
// strings compare like the numbers they are. An unknown name of `iif` equals no
// row.
func (ps *ports) bits(m *nft.Match, byName bool) ([]uint64, error) {
	set := make([]uint64, (len(ps.rows)+63)/64)
	for i := range ps.rows {
		var value []byte
		if byName {
			value = ps.rows[i].name[:]
		} else {
			value = binary.BigEndian.AppendUint32(nil, ps.rows[i].index)
		}
		holds, err := ps.holds(m, value)
		if err != nil {
			return nil, err
		}
		if holds {
			set[i/64] |= 1 << (i % 64)
		}
	}
	return set, nil
}

func (ps *ports) holds(m *nft.Match, value []byte) (bool, error) {
	inside := false
	switch r := m.Right.(type) {
	case *nft.Const:
		data := r.Data
		if r.Name != "" {
			index, ok := ps.indexOf(r.Name)
			if !ok {
				return m.Op == nft.OpNe, nil
			}
			data = binary.BigEndian.AppendUint32(nil, index)
		}
		if len(data) != len(value) {
			return false, errorf(m.Pos, "value of %d bytes where %d are needed", len(data), len(value))
		}
		if r.PrefixLen >= 0 {
			lo, hi := prefixRange(data, r.PrefixLen)
			inside = between(lo, value, hi)
			break
		}
		c := bytes.Compare(value, data)
		switch m.Op {
		case nft.OpLt:
			return c < 0, nil
		case nft.OpLe:
			return c <= 0, nil
		case nft.OpGt:
			return c > 0, nil
		case nft.OpGe:
			return c >= 0, nil
		}
		inside = c == 0
	case *nft.Range:
		inside = between(r.Lo, value, r.Hi)
	case *nft.SetRef:
		for el := range r.Set.Elements.All() {
			if el.Any {
				inside = true
				continue
			}
			if len(el.Key) != 1 {
				return false, errorf(el.Pos, "element does not fit an interface")
			}
			lo, hi, ok := ps.keyPart(el.Key[0])
			if !ok {
				continue
			}
			if len(lo) != len(value) || len(hi) != len(value) {
				return false, errorf(el.Pos, "element does not fit an interface")
			}
			inside = inside || between(lo, value, hi)
		}
	}
	switch m.Op {
	case nft.OpNe:
		return !inside, nil
	case nft.OpEq, nft.OpAny:
		return inside, nil
	}
	return false, errorf(m.Pos, "this operator needs a single value")
}

// keyPart returns the bounds of a part of an element; an interface given by name
// that nobody bears has none.
func (ps *ports) keyPart(k nft.KeyPart) (lo, hi []byte, ok bool) {
	if k.Name == "" {
		return k.Lo, k.Hi, true
	}
	index, ok := ps.indexOf(k.Name)
	lo = binary.BigEndian.AppendUint32(nil, index)
	return lo, lo, ok
}

func between(lo, value, hi []byte) bool {
	return bytes.Compare(lo, value) <= 0 && bytes.Compare(value, hi) <= 0
}

// prefixRange returns the first and the last value with the first n bits of data.
func prefixRange(data []byte, n int) (lo, hi []byte) {
	lo, hi = bytes.Clone(data), bytes.Clone(data)
	for i := range data {
		var keep byte = 0xff
		if left := n - 8*i; left <= 0 {
			keep = 0
		} else if left < 8 {
			keep = 0xff << (8 - left)
		}
		lo[i] &= keep
		hi[i] |= ^keep
	}
	return lo, hi
}
