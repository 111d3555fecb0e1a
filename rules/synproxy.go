package rules

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// synproxyIns is the instruction of a synproxy statement or object.
func synproxyIns(st *nft.Synproxy) ins {
	in := ins{op: opSynproxy, shift: st.Wscale, test: test{lo: uint64(st.MSS)}}
	mss, scale := st.Given()
	for _, x := range [...]struct {
		is  bool
		bit uint8
	}{{mss, packet.TCPHasMSS}, {scale, packet.TCPHasScale}, {st.SackPerm, packet.TCPHasSACK}, {st.Timestamp, packet.TCPHasTimestamp}, {st.ECN, packet.TCPHasECN}} {
		if x.is {
			in.flag |= x.bit
		}
	}
	return in
}

// synproxy is opSynproxy. The rule ends for what is not TCP, and goes on for
// segments that neither open nor acknowledge anything.
func synproxy(in *ins, p *packet.Packet, env *Env) bool {
	const syn, ack = 0x02, 0x10
	if p.Proto != flowtable.ProtoTCP || p.Flags&(packet.FlagL4|packet.FlagFragment) != packet.FlagL4 {
		return false
	}
	if p.Probe.Flags&(syn|ack) == 0 {
		return true
	}
	env.Synproxy = SynproxySpec{MSS: uint16(in.lo), Scale: in.shift, Options: in.flag}
	env.end = opSynproxy
	return false
}
