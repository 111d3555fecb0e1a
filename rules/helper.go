package rules

import (
	"github.com/sluice-net/sluice/dataplane/helper"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// helperArgs resolves the ct helper objects of a tree: the number that
// opHelper gives an IPv4 flow, and above it the one for an IPv6 flow.
func helperArgs(tree *nft.Ruleset, list []helper.Helper) (map[*nft.Object]uint32, error) {
	if list == nil {
		list = helper.Default()
	}
	args := map[*nft.Object]uint32{}
	for _, t := range tree.Tables {
		for _, o := range t.Objects {
			if o.Kind != nft.ObjHelper {
				continue
			}
			arg, err := helperArg(o, list)
			if err != nil {
				return nil, err
			}
			args[o] = arg
		}
	}
	return args, nil
}

func helperArg(o *nft.Object, list []helper.Helper) (arg uint32, err error) {
	h := o.Helper
	wanted := flowtable.FamilyNone
	switch h.L3 {
	case nft.FamilyIP:
		wanted = flowtable.FamilyIPv4
	case nft.FamilyIP6:
		wanted = flowtable.FamilyIPv6
	}
	if why := helper.Why(list, h.Type, h.Proto, wanted); why != nil {
		return 0, errorf(o.Pos, "ct helper %s: %v", o.Name, why)
	}
	for i := range list {
		x := &list[i]
		if x.Name != h.Type || x.Proto != h.Proto {
			continue
		}
		if wanted != flowtable.FamilyIPv6 && x.Family != flowtable.FamilyIPv6 {
			arg |= uint32(i + 1)
		}
		if wanted != flowtable.FamilyIPv4 && x.Family != flowtable.FamilyIPv4 {
			arg |= uint32(i+1) << 8
		}
	}
	return arg, nil
}

// setHelper is opHelper: it gives a flow that just begins a helper
// (nft_ct_helper_obj_eval), or with flag one that has not begun (xt_ct_target).
func setHelper(in *ins, p *packet.Packet, env *Env) {
	if in.flag != 0 {
		if p.Template.Helper = uint8(in.arg); p.Family == flowtable.FamilyIPv6 {
			p.Template.Helper = uint8(in.arg >> 8)
		}
		return
	}
	if p.Ct == nil || p.Ct.Status&flowtable.StatusConfirmed != 0 || env.Shard == nil {
		return
	}
	number := uint8(in.arg)
	if p.Ct.Tuple.Family == flowtable.FamilyIPv6 {
		number = uint8(in.arg >> 8)
	}
	env.Shard.SetHelper(p.Entry, number)
}

// masterHelper is the name that `ct helper` compares: that of the helper whose
// expectation the flow fulfilled. False: none did.
func masterHelper(p *packet.Packet, env *Env) (hi, lo uint64, ok bool) {
	name := MasterHelper(p, env)
	for i := range min(len(name), 16) {
		c := uint64(name[i]) << (56 - 8*(i%8))
		if i < 8 {
			hi |= c
		} else {
			lo |= c
		}
	}
	return hi, lo, name != ""
}

// MasterHelper returns the name of the helper whose expectation the packet's flow
// fulfilled; "": none did. It is for extensions.
func MasterHelper(p *packet.Packet, env *Env) string {
	if p.Ct == nil || p.Ct.Status&flowtable.StatusExpected == 0 || env.Shard == nil {
		return ""
	}
	return env.Shard.Table().HelperName(env.Shard.Child(p.Entry).Helper)
}
