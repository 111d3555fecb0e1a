package dataplane

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
)

const (
	icmpParameterProblem   = 12
	icmpv6ParameterProblem = 4
)

// readOptions reads the IPv4 options of p, which the kernel does between
// prerouting and routing. Malformed ones are answered; a source route is not, since
// the kernel's default is not to accept one. False: p is gone.
func (w *worker) readOptions(t *tables, p *packet.Packet) bool {
	own, _ := w.answerSource(t, p)
	asked, bad := p.ReadOptions(&w.options, [4]byte(own[:]), w.midnight())
	switch {
	case bad != 0:
		w.icmpError(t, p, icmpParameterProblem, 0, uint32(bad)<<24)
	case w.options.SourceRouted():
	default:
		if asked != nil && w.stampsFor(t, asked, p.Hash) {
			p.StampAsked(&w.options, w.midnight())
		}
		return true
	}
	w.drop(p, packet.DropIPOptions)
	return false
}

// stampsFor says whether a timestamp is asked of an address that is not one
// machine's elsewhere (inet_addr_type).
func (w *worker) stampsFor(t *tables, asked []byte, hash uint64) bool {
	first := binary.BigEndian.Uint32(asked)
	if first>>24 == 0 || first>>28 == 0xe || first == 0xffffffff {
		return true
	}
	var addr [16]byte
	copy(addr[:], asked)
	kind := t.routes.Lookup(flowtable.FamilyIPv4, &addr, hash).Kind
	return kind == route.Local || kind == route.Broadcast
}

// writeOptions finishes the options of p, which leaves by hop or across to a peer.
func (w *worker) writeOptions(p *packet.Packet, hop *route.Hop) {
	var next [16]byte
	p.DstAddr(&next)
	if hop != nil && hop.HasGateway {
		next = hop.Gateway
	}
	own, _ := w.ports[p.OutPort].source(flowtable.FamilyIPv4, &next)
	p.Forwarded(&w.options, [4]byte(own[:]))
}

// echoOptions are the options of an ICMP error about p from src: none before
// routing has read p's. False: they have no room, and there is no error.
func (w *worker) echoOptions(p *packet.Packet, src *[16]byte) (options []byte, ok bool) {
	if p.Flags&packet.FlagIPOptions == 0 || !w.routed {
		return nil, true
	}
	n, ok := p.Echo(&w.options, &w.echo, [4]byte(src[:]), w.midnight())
	return w.echo[:n], ok
}

// midnight is the time as IPv4 options have it: milliseconds since midnight UTC.
func (w *worker) midnight() uint32 {
	const day = 24 * 60 * 60 * 1000
	return uint32((w.began + w.nanos) / 1e6 % day)
}
