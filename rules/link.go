package rules

import (
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// Chains that see frames below IP: those at the ingress of a port (tables netdev,
// and inet at hook ingress) and at its egress (netdev), and tables of family bridge,
// whose frames are the ones that cross a wire.

// Families as index of Image.span.
const (
	spanIPv4 = iota
	spanIPv6
	spanBridge
	spans
)

// FamilyBridge is the family to ask Base for the chains of bridge tables.
const FamilyBridge = uint8(nft.FamilyBridge)

// Ingress returns the chains that see every frame that a port receives, before
// anything else does, in order. BaseChain.IPOnly says which want IP packets only,
// BaseChain.Writes which may change the frame. It allocates, and is for whoever
// makes the tables of a worker. A dead image has one chain, which drops.
func (im *Image) Ingress(port uint16) []BaseChain { return im.ofPort(port, 0, im.ingress) }

// Egress is Ingress for every frame that leaves by a port, behind everything else.
func (im *Image) Egress(port uint16) []BaseChain { return im.ofPort(port, im.ingress, im.egress) }

func (im *Image) ofPort(port uint16, from, to uint32) []BaseChain {
	if !im.Alive() {
		return poisonedBase
	}
	var out []BaseChain
	for _, c := range im.base[from:to] {
		if im.bit(c.ports, min(uint32(port), im.ports)) {
			out = append(out, c)
		}
	}
	return out
}

// Bridge returns the first base chain of a bridge table, nil if there is none.
func (r *Ruleset) Bridge() *nft.Chain {
	for _, c := range r.ix.chains {
		if c.table.Family == nft.FamilyBridge && c.chain.Base != nil {
			return c.chain
		}
	}
	return nil
}

// OnWire returns why a box that is a wire cannot have these rules, nil if it can.
func (r *Ruleset) OnWire() error {
	for _, c := range r.ix.chains {
		for _, rule := range c.chain.Rules {
			for _, st := range rule.Stmts {
				switch st := st.(type) {
				case *nft.Extension:
					if u, ok := st.Impl.(Unbridged); ok {
						return errorf(rule.Pos, "%s: %s", st.Name, u.Unbridged())
					}
				case *nft.Dup:
					if st.Addr != nil {
						return errorf(rule.Pos, "dup to an address: a wire has no routes to send copies by")
					}
				}
			}
		}
	}
	return nil
}

// portChains returns the chains at a hook of ports, ingress or egress, and the ports'
// bits, which stand behind the interfaces in the image's data, of which skip words
// are taken.
func portChains(ix *index, hook nft.Hook, skip int) (out []BaseChain, devices []uint64, err error) {
	rows := ix.ports.rows
	for i := len(ix.chains) - 1; i >= 0; i-- { // of one priority the newest comes first
		ref := ix.chains[i]
		b := ref.chain.Base
		if b == nil || b.Hook != hook || ref.table.Dormant {
			continue
		}
		bc := newBaseChain(ix, ref)
		bc.IPOnly = ref.table.Family == nft.FamilyInet
		bc.Writes = writes(ref.table)
		bits := make([]uint64, (len(rows)+63)/64)
		bc.ports = uint32(3*len(rows) + skip + len(devices))
		for _, name := range b.Devices {
			port, ok := ix.ports.portOf(name)
			if !ok && ix.ports.none() > 0 {
				return nil, nil, errorf(ref.chain.Pos, "chain %s: device %s is no port of this box", ref.chain.Name, name)
			}
			if ok {
				bits[port/64] |= 1 << (port % 64)
			}
		}
		out, devices = append(out, bc), append(devices, bits...)
	}
	sortChains(out)
	return out, devices, nil
}

// writes says whether some rule of a table may change frames.
func writes(t *nft.Table) bool {
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			for _, st := range r.Stmts {
				switch st := st.(type) {
				case *nft.ResetOption, *nft.Extension:
					return true
				case *nft.Assign:
					switch st.Left.(type) {
					case *nft.Payload, *nft.Raw, *nft.Option:
						return true
					}
				}
			}
		}
	}
	return false
}

// withoutFlows refuses statements about connections in tables that see frames.
func withoutFlows(f nft.Family, st nft.Stmt) error {
	if !below(f) {
		return nil
	}
	switch st := st.(type) {
	case *nft.ConnLimit, *nft.Synproxy:
		return noFlows(st, f, nft.StmtName(st))
	case *nft.ObjectRef:
		switch st.Kind {
		case nft.ObjHelper, nft.ObjTimeout, nft.ObjExpectation, nft.ObjSynproxy:
			return noFlows(st, f, nft.StmtName(st))
		}
	}
	return nil
}

func noFlows(st nft.Stmt, f nft.Family, what string) error {
	return errorf(st.Position(), "%s is not supported in tables of family %s: connections are known to chains of inet, which see the same packets", what, nft.FamilyName(f))
}

// below says whether a family's chains see frames below IP, without conntrack.
func below(f nft.Family) bool { return f == nft.FamilyNetdev || f == nft.FamilyBridge }

// spanOf is a family's index in Image.span, spans if it has none.
func spanOf(family uint8) int {
	switch family {
	case flowtable.FamilyIPv4:
		return spanIPv4
	case flowtable.FamilyIPv6:
		return spanIPv6
	case FamilyBridge:
		return spanBridge
	}
	return spans
}
