package rules

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules/nft"
)

// connLimitIns makes an instruction of `ct count`: the limit and whether more
// must be there.
func connLimitIns(st *nft.ConnLimit, slot uint32) ins {
	in := ins{op: opConnLimit, arg: slot, test: test{lo: uint64(st.Count)}}
	if st.Over {
		in.flag = 1
	}
	return in
}

// connLimit is opConnLimit.
func (im *Image) connLimit(in *ins, p *packet.Packet, env *Env) bool {
	cell := im.cell(in.arg)
	return cell != nil && tallied(uint32(load(cell)), in, p, env)
}

// tallied counts the packet's flow in a tally and says whether the flows that it
// counts are no more than the limit, or with flag more (nft_connlimit_do_eval).
// When there is no room for another one the packet is dropped.
func tallied(tally uint32, in *ins, p *packet.Packet, env *Env) bool {
	if tally == 0 || env.Shard == nil {
		return false
	}
	entry := p.Entry
	if p.Ct == nil { // INVALID and untracked ones are counted for the flow that has their tuple
		entry = env.Shard.Find(&p.Tuple, env.Now)
	}
	count, ok := env.Shard.Join(entry, tally, env.Now)
	if !ok {
		env.end = opDrop
		return false
	}
	return (uint64(count) > in.lo) == (in.flag != 0)
}
