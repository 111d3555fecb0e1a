package guard

import (
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// priority of the base chains: before connection tracking's defragmentation
// (-400) and everything that people number, so that nothing accepted later in a
// chain of theirs is reached by what is dropped here.
const priority nftables.ChainPriority = -1000

const (
	forwardChain = "forward"
	inputChain   = "input"
	closedChain  = "closed" // input on an untrusted port
)

// ICMP types that are answers, errors or needed to be reachable at all.
var (
	icmpTypes = []byte{0, 3, 8, 11, 12} // echo reply, unreachable, echo, time exceeded, parameter problem
	// Unreachable, too big, time exceeded, parameter problem, echo, echo reply;
	// MLD query, report, done; router solicitation and advertisement, neighbour
	// solicitation and advertisement; MLDv2 report. Not redirects.
	icmp6Types = []byte{1, 2, 3, 4, 128, 129, 130, 131, 132, 133, 134, 135, 136, 143}
)

// addForward adds the chain that stops transit.
func addForward(c *nftables.Conn, t *nftables.Table) {
	ch := addBase(c, t, forwardChain, nftables.ChainHookForward, nftables.ChainPolicyDrop)
	addRule(c, ch, drop())
}

// addInput adds the chain that closes untrusted ports.
func addInput(c *nftables.Conn, t *nftables.Table, cfg *Config) {
	closed := c.AddChain(&nftables.Chain{Name: closedChain, Table: t})
	addRule(c, closed, marked(), accept())
	addRule(c, closed, established(), accept())
	for _, typ := range icmpTypes {
		addRule(c, closed, l4proto(unix.IPPROTO_ICMP), payload(0, []byte{typ}), accept())
	}
	for _, typ := range icmp6Types {
		addRule(c, closed, l4proto(unix.IPPROTO_ICMPV6), payload(0, []byte{typ}), accept())
	}
	// Replies to a DHCP client: source and destination port.
	addRule(c, closed, nfproto(unix.NFPROTO_IPV4), l4proto(unix.IPPROTO_UDP), payload(0, []byte{0, 67, 0, 68}), accept())
	addRule(c, closed, nfproto(unix.NFPROTO_IPV6), l4proto(unix.IPPROTO_UDP), payload(0, []byte{547 >> 8, 547 & 0xff, 546 >> 8, 546 & 0xff}), accept())
	for _, r := range cfg.Management {
		proto := byte(unix.IPPROTO_TCP)
		if r.Proto == "udp" {
			proto = unix.IPPROTO_UDP
		}
		addRule(c, closed, source(r.Source), l4proto(proto), payload(2, binaryutil.BigEndian.PutUint16(r.Port)), accept())
	}
	addRule(c, closed, drop())

	// The jumps come last, so that the chain they lead to exists.
	ch := addBase(c, t, inputChain, nftables.ChainHookInput, nftables.ChainPolicyAccept)
	for _, name := range cfg.Untrusted {
		addRule(c, ch, comingFrom(name), []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: closedChain}})
	}
}

func addBase(c *nftables.Conn, t *nftables.Table, name string, hook *nftables.ChainHook, policy nftables.ChainPolicy) *nftables.Chain {
	return c.AddChain(&nftables.Chain{
		Name: name, Table: t, Type: nftables.ChainTypeFilter,
		Hooknum: hook, Priority: nftables.ChainPriorityRef(priority), Policy: &policy,
	})
}

func addRule(c *nftables.Conn, ch *nftables.Chain, parts ...[]expr.Any) {
	r := &nftables.Rule{Table: ch.Table, Chain: ch}
	for _, p := range parts {
		r.Exprs = append(r.Exprs, p...)
	}
	c.AddRule(r)
}

func accept() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}} }

// drop counts, so that an administrator sees what the guard stops.
func drop() []expr.Any {
	return []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}}
}

func equal(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data}
}

// masked compares register 1 under a mask.
func masked(mask, data []byte) []expr.Any {
	return []expr.Any{
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: uint32(len(mask)), Mask: mask, Xor: make([]byte, len(mask))},
		equal(data),
	}
}

func marked() []expr.Any {
	return append([]expr.Any{&expr.Meta{Key: expr.MetaKeyMARK, Register: 1}},
		masked(binaryutil.NativeEndian.PutUint32(MarkMask), binaryutil.NativeEndian.PutUint32(Mark))...)
}

// established matches what belongs to a connection the kernel knows.
func established() []expr.Any {
	bits := binaryutil.NativeEndian.PutUint32(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED)
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: bits, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}

func nfproto(p byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal([]byte{p})}
}

func l4proto(p byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{p})}
}

// payload compares bytes of the transport header, which later fragments do not
// have: they do not match.
func payload(offset uint32, data []byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: uint32(len(data))},
		equal(data),
	}
}

// source matches the source address; the zero prefix matches everything.
func source(p netip.Prefix) []expr.Any {
	if !p.IsValid() {
		return nil
	}
	p = p.Masked()
	proto, offset := byte(unix.NFPROTO_IPV4), uint32(12)
	if p.Addr().Is6() {
		proto, offset = unix.NFPROTO_IPV6, 8
	}
	addr := p.Addr().AsSlice()
	mask := make([]byte, len(addr))
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	match := append(nfproto(proto), &expr.Payload{
		DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: uint32(len(addr)),
	})
	return append(match, masked(mask, addr)...)
}

func comingFrom(name string) []expr.Any {
	data := make([]byte, unix.IFNAMSIZ)
	copy(data, name)
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, equal(data)}
}
