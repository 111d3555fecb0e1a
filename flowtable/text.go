package flowtable

import (
	"fmt"
	"net/netip"
)

// Address returns one of the tuple's addresses, &tu.Src or &tu.Dst, for text.
func (tu *Tuple) Address(a *[16]byte) netip.Addr {
	if tu.Family == FamilyIPv4 {
		return netip.AddrFrom4([4]byte(a[:4]))
	}
	return netip.AddrFrom16(*a)
}

// String returns the tuple for people: protocol number, both ends, zone. Package
// conntracktext writes tuples as tools do.
func (tu Tuple) String() string {
	return fmt.Sprintf("protocol %d %v > %v zone %d", tu.Proto,
		netip.AddrPortFrom(tu.Address(&tu.Src), tu.SrcPort), netip.AddrPortFrom(tu.Address(&tu.Dst), tu.DstPort), tu.Zone)
}
