package rules

import (
	"sync/atomic"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
)

// rare runs the instructions that few rules have. False: the rule ends.
func (im *Image) rare(in *ins, w *walk, p *packet.Packet, env *Env, rule uint32) bool {
	key := &env.key[in.key%keyWords]
	switch in.op {
	case opConst:
		*key = in.lo
	case opAlter:
		*key = *key&in.mask ^ in.lo
	case opBinop:
		*key = binop(in.flag, *key, env.key[in.arg%keyWords]) & in.mask
	case opMap:
		return im.mapData(in, p, env)
	case opKeyTest:
		return im.keyTest(in, env)
	case opBits:
		return loadBits(in, w, env)
	case opObject:
		return im.object(in, p, env, rule)
	case opDyn:
		return im.dyn(in, p, env)
	case opOption:
		return option(in, w, env)
	case opSetOption:
		return setOption(in, w, p, env)
	case opResetOption:
		return resetOption(in, w, p, env)
	case opFib:
		return im.fib(in, p, env)
	case opSegment:
		var ok bool
		*key, ok = SegmentSize(p, env)
		return ok
	case opNextHop:
		return nextHop(in, p, env)
	case opTimeout:
		im.setTimeout(in, p, env)
	case opExpect:
		return im.expect(in, p, env)
	case opConnLimit:
		return im.connLimit(in, p, env)
	case opSynproxy:
		return synproxy(in, p, env)
	case opLast:
		if cell := im.cell(in.arg); cell != nil {
			atomic.StoreUint64(cell, uint64(max(env.Nanos, 1)))
		}
	case opNumgen:
		return im.numgen(in, env)
	case opHash:
		return im.hash(in, p, env)
	case opAssign:
		assign(in, *key, w, p, env, rule)
		if in.flag == assignTrace && p.Flags&packet.FlagTraced != 0 && env.Trace != nil {
			env.end = opTell
			return false
		}
	case opStore:
		return store(in, w, p, env)
	default:
		return false
	}
	return true
}

func binop(op uint8, a, b uint64) uint64 {
	switch op {
	case binAnd:
		return a & b
	case binOr:
		return a | b
	case binXor:
		return a ^ b
	case binLeft:
		return a << b
	case binRight:
		return a >> b
	}
	return 0
}

// keyTest is opKeyTest: opWide for the key words from 0 on, flag of them.
func (im *Image) keyTest(in *ins, env *Env) bool {
	if uint64(in.arg)+6 > uint64(len(im.data)) {
		return false
	}
	hi, lo := uint64(0), env.key[0]
	if in.flag == 2 {
		hi, lo = env.key[0], env.key[1]
	}
	d := im.data[in.arg : in.arg+6]
	hi &= d[0]
	lo &= d[1]
	below := hi < d[2] || hi == d[2] && lo < d[3]
	above := hi > d[4] || hi == d[4] && lo > d[5]
	return (below || above) == (in.neg&testNeg != 0)
}

// loadBits is opBits.
func loadBits(in *ins, w *walk, env *Env) bool {
	base := w.base[in.src&3]
	if in.src == srcInner {
		base = w.inner()
	}
	return loadBitsAt(in, w.data, base, env)
}

// inner is where what the transport header carries begins (nft_payload_inner_offset).
func (w *walk) inner() uint {
	at := w.base[srcTransport]
	if at >= noHeader || at+4 > uint(len(w.data)) || w.facts&factAstray != 0 {
		return noHeader
	}
	switch uint8(w.facts) {
	case 4: // IP
		return at
	case flowtable.ProtoUDP:
		return at + 8
	case flowtable.ProtoTCP:
		if at+20 > uint(len(w.data)) {
			return noHeader
		}
		return at + uint(w.data[at+12]>>4)*4
	case flowtable.ProtoGRE:
		flags := w.data[at]
		if w.data[at+1]&7 != 0 || flags&0x40 != 0 { // another version than 0, or with routing
			return noHeader
		}
		return at + 4 + 4*uint(flags>>7+flags>>5&1+flags>>4&1) // checksum, key, sequence number
	}
	return noHeader
}

// loadBitsAt reads span bits from bit lo on behind offset base.
func loadBitsAt(in *ins, data []byte, base uint, env *Env) bool {
	first, left := base+uint(in.lo/8), uint(in.span)
	skip := uint(in.lo % 8)
	if base >= noHeader || first+(skip+left+7)/8 > uint(len(data)) || left == 0 || left > 128 || in.key > keyWords-2 {
		return false
	}
	var hi, lo uint64
	for ; left > 0; first++ {
		b, n := uint64(data[first])&(0xff>>skip), 8-skip
		if n > left {
			b >>= n - left
			n = left
		}
		hi, lo = hi<<n|lo>>(64-n), lo<<n|b
		left -= n
		skip = 0
	}
	if in.span > 64 {
		env.key[in.key], env.key[in.key+1] = hi, lo
	} else {
		env.key[in.key] = lo
	}
	return true
}
