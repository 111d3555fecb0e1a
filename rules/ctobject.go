package rules

import (
	"math"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// policy returns the timeouts of a ct timeout object. States that the text does
// not name have nft's defaults, not the settings.
func policy(o *nft.Object) (flowtable.Timeouts, error) {
	var p flowtable.Timeouts
	to := map[string]*uint32{
		"syn_sent": &p.TCP[flowtable.TCPSynSent], "syn_recv": &p.TCP[flowtable.TCPSynRecv],
		"established": &p.TCP[flowtable.TCPEstablished], "fin_wait": &p.TCP[flowtable.TCPFinWait],
		"close_wait": &p.TCP[flowtable.TCPCloseWait], "last_ack": &p.TCP[flowtable.TCPLastAck],
		"time_wait": &p.TCP[flowtable.TCPTimeWait], "close": &p.TCP[flowtable.TCPClose],
		"syn_sent2": &p.TCP[flowtable.TCPSynSent2], "retrans": &p.TCPMaxRetrans, "unack": &p.TCPUnacknowledged,
		"unreplied": &p.UDP, "replied": &p.UDPStream,
	}
	for _, s := range o.Timeout.States() {
		field := to[s.State]
		if field == nil || s.Seconds == 0 {
			return p, errorf(o.Pos, "ct timeout %s: %s : %d is not supported", o.Name, s.State, s.Seconds)
		}
		*field = s.Seconds
	}
	return p, nil
}

// timeoutStep is that of `ct timeout set`. The packet has passed its tracker, so the
// flow begins with the time of its first state (nft_ct_timeout_obj_eval). Ahead of the
// tracker, which shift says, it is for the flow that the packet begins (xt_ct_target).
func (ix *index) timeoutStep(o *nft.Object) step {
	p := &ix.policies[ix.policyOf[o]]
	first := p.UDP
	if o.Timeout.Proto == flowtable.ProtoTCP {
		first = p.TCP[flowtable.TCPSynSent]
	}
	return step{ins: ins{op: opTimeout, flag: o.Timeout.Proto, test: test{lo: uint64(first)}}, of: o}
}

// setTimeout is opTimeout.
func (im *Image) setTimeout(in *ins, p *packet.Packet, env *Env) {
	if p.Proto != in.flag || uint64(in.arg) >= uint64(len(im.policies)) || in.shift == 0 && p.AH != 0 { // for rules that is the protocol
		return
	}
	if in.shift != 0 {
		p.Template.Timeouts = im.policies[in.arg]
		return
	}
	if p.Ct == nil || env.Shard == nil {
		return
	}
	if env.Shard.SetTimeouts(p.Entry, im.policies[in.arg]) {
		env.Shard.Extend(p.Entry, uint32(in.lo), env.Now)
	}
}

// maxExpectSec is the longest time of an expectation.
const maxExpectSec = 1 << 21

// expectStep is that of `ct expectation set`. The kernel takes the milliseconds in
// which nft gives the time for seconds, so an expectation lives a thousand times
// as long as the text says; here too.
func expectStep(o *nft.Object) (step, error) {
	e := o.Expectation
	if e.TimeoutMs == 0 {
		return step{}, errorf(o.Pos, "ct expectation %s: a timeout of 0 is not supported", o.Name)
	}
	return step{ins: ins{
		op: opExpect, arg: uint32(e.Port), flag: e.Proto, shift: uint8(e.L3),
		test: test{lo: min(e.TimeoutMs, maxExpectSec), span: uint64(e.Size)},
	}}, nil
}

// expect is opExpect: a new flow announces another one from its receiver to
// its sender (nft_ct_expect_obj_eval). False: the rule ends, with env.end.
func (im *Image) expect(in *ins, p *packet.Packet, env *Env) bool {
	s := env.Shard
	if p.Ct == nil || s == nil || p.Ct.Status&flowtable.StatusConfirmed != 0 || s.ExpectCount(p.Entry, 0) >= int(in.span) {
		return false
	}
	// As the receiver of this packet would write it: the answer's tuple, whatever
	// the port it comes from.
	x := &env.expect
	*x = flowtable.Expectation{Tuple: s.ReplyTuple(p.Entry)}
	if s.HelperOf(p.Entry) == 0 { // else it lives as long as the helper's own
		x.Timeout = uint32(in.lo)
	}
	// Of a flow of the other family the kernel takes what stands where the address
	// would be: nothing matches that, but it is there.
	x.Tuple.Family, x.Tuple.Proto, x.Tuple.SrcPort, x.Tuple.DstPort = in.shift, in.flag, 0, uint16(in.arg)
	size := 16
	if in.shift == flowtable.FamilyIPv4 {
		size = 4
		clear(x.Tuple.Src[4:])
		clear(x.Tuple.Dst[4:])
	}
	for i := range size {
		x.MaskSrc[i] = math.MaxUint8
	}
	if s.Expect(p.Entry, x, env.Now) != flowtable.ExpectOK {
		env.end = opDrop
		return false
	}
	return true
}
