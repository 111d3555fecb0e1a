package route

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net/netip"
)

const neighbourBytes = 32 // of one slot in memory, held by a test

// Neighbour is the link address of an IP address on a port.
type Neighbour struct {
	Port uint16
	Addr netip.Addr // IPv4-mapped IPv6 addresses count as IPv4, zones are ignored
	MAC  [6]byte
}

// neighbours is an open hash table, at most a quarter full.
type neighbours struct {
	slots []slot
	seed  uint64 // so that nobody on a link can choose addresses that collide
}

// slot holds one neighbour; family 0 is an empty one.
type slot struct {
	addr   [16]byte
	mac    [6]byte
	port   uint16
	family uint8
	_      [7]byte
}

// buildNeighbours makes the slots. Of two entries for one address the later
// stands.
func buildNeighbours(list []Neighbour) ([]slot, uint64, error) {
	size := 4
	for size < 4*len(list) {
		size *= 2
	}
	n := neighbours{slots: make([]slot, size), seed: rand.Uint64()}
	for _, e := range list {
		if !e.Addr.IsValid() {
			return nil, 0, fmt.Errorf("neighbour %x on port %d: no address", e.MAC, e.Port)
		}
		addr, family := Addr(e.Addr.WithZone(""))
		n.slots[n.find(family, e.Port, &addr)] = slot{addr: addr, mac: e.MAC, port: e.Port, family: family}
	}
	return n.slots, n.seed, nil
}

// Neighbour returns the link address of an IP address (as in Hop) on a port, or
// nil when it is not known.
func (t *Table) Neighbour(family uint8, port uint16, addr *[16]byte) *[6]byte {
	s := &t.neigh.slots[t.neigh.find(family, port, addr)]
	if s.family == 0 {
		return nil
	}
	return &s.mac
}

// Gateway returns the link address of h's gateway, or nil when it is not known
// or there is none. It costs no search: Build has done it.
func (t *Table) Gateway(h *Hop) *[6]byte {
	if h.mac == 0 {
		return nil
	}
	return &t.neigh.slots[h.mac-1].mac
}

// NextHop returns the link address a packet to dst is sent to by way of h, or
// nil when it is not known. It is that of the gateway, or of dst itself when
// there is none.
func (t *Table) NextHop(h *Hop, family uint8, dst *[16]byte) *[6]byte {
	if h.HasGateway {
		return t.Gateway(h)
	}
	return t.Neighbour(family, h.Port, dst)
}

// Key returns the number of the neighbour that NextHop returns the link address of.
func (h *Hop) Key(family uint8, dst *[16]byte) uint64 {
	if h.HasGateway {
		return neighbourKey(h.GatewayFamily, h.Port, &h.Gateway)
	}
	return neighbourKey(family, h.Port, dst)
}

// Key returns a number for the neighbour's port and address, the same for ever. That
// two have the same one is as likely as in any 64 bits.
func (n *Neighbour) Key() uint64 {
	addr, family := Addr(n.Addr.WithZone(""))
	return neighbourKey(family, n.Port, &addr)
}

func neighbourKey(family uint8, port uint16, addr *[16]byte) uint64 {
	n := neighbours{seed: 0xbf58476d1ce4e5b9}
	return n.hash(family, port, addr)
}

// find returns the place of a neighbour's slot, or of the empty one where it
// would be. There always is an empty one.
func (n *neighbours) find(family uint8, port uint16, addr *[16]byte) uint32 {
	mask := uint64(len(n.slots) - 1)
	for i := n.hash(family, port, addr); ; i++ {
		s := &n.slots[i&mask]
		if s.family == 0 || (s.addr == *addr && s.port == port && s.family == family) {
			return uint32(i & mask)
		}
	}
}

func (n *neighbours) hash(family uint8, port uint16, addr *[16]byte) uint64 {
	a := binary.LittleEndian.Uint64(addr[:8]) ^ n.seed
	b := binary.LittleEndian.Uint64(addr[8:]) ^ uint64(port)<<8 ^ uint64(family)
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, n.seed|1)
	hi, lo = bits.Mul64(hi^lo^b, 0xd6e8feb86659fd93)
	return hi ^ lo
}
