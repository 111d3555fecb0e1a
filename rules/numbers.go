package rules

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules/nft"
)

// numgen adds the step that counts or draws a number. Counting is an effect, so
// the step is not pure.
func (lw *lowering) numgen(pos nft.Pos, e *nft.Numgen, at uint8) (uint8, error) {
	if e.Mod == 0 {
		return 0, errorf(pos, "a modulus is at least 1")
	}
	s := step{ins: ins{op: opNumgen, key: at, test: test{span: uint64(e.Mod), lo: uint64(e.Offset)}}}
	if e.Random {
		s.flag = 1
	} else {
		s.of = e
	}
	lw.out.steps = append(lw.out.steps, s)
	return 1, nil
}

// numgen is opNumgen: the next number of all workers, or with flag a random one.
func (im *Image) numgen(in *ins, env *Env) bool {
	mod := max(in.span, 1)
	if in.flag != 0 {
		env.key[in.key%keyWords] = in.lo + scale(env.Chance.Uint32(), mod)
		return true
	}
	cell := im.cell(in.arg)
	if cell == nil {
		return false
	}
	env.key[in.key%keyWords] = in.lo + (atomic.AddUint64(cell, 1)-1)%mod
	return true
}

// scale maps 32 bits evenly to numbers below mod.
func scale(n uint32, mod uint64) uint64 { return uint64(n) * mod >> 32 }

// hash adds the steps of jhash and symhash.
func (lw *lowering) hash(pos nft.Pos, e *nft.Hash, at uint8) (uint8, error) {
	if e.Mod == 0 {
		return 0, errorf(pos, "a modulus is at least 1")
	}
	in := ins{op: opHash, key: at, test: test{span: uint64(e.Mod), lo: uint64(e.Offset), mask: uint64(e.Seed)}}
	if e.E == nil {
		in.flag = 1
		in.mask = symSeed
		lw.pure(step{ins: in})
		return 1, nil
	}
	parts := []nft.Expr{e.E}
	if c, ok := e.E.(*nft.Concat); ok {
		parts = c.Es
	}
	var shape []uint64 // bits of each part, and whether its bytes stand in host order
	n := uint8(0)
	for _, part := range parts {
		w, err := lw.value(pos, part, at+n)
		if err != nil {
			return 0, err
		}
		host := uint64(0)
		if t := part.Type(); t != nil && t.Host && w == 1 {
			host = 1
		}
		shape = append(shape, uint64(part.Bits())<<1|host)
		n += w
	}
	in.arg, in.shift = 0, uint8(len(shape))
	lw.pure(step{ins: in, words: shape})
	return 1, nil
}

const symSeed = 0x5bd1e995

// hash is opHash: jhash of what stands in the key words, as the kernel lays it
// out in its registers, or with flag a hash that is the same for both
// directions of a flow.
func (im *Image) hash(in *ins, p *packet.Packet, env *Env) bool {
	mod := max(in.span, 1)
	out := &env.key[in.key%keyWords]
	if in.flag != 0 {
		var src, dst [16]byte
		p.SrcAddr(&src)
		p.DstAddr(&dst)
		a, b := words(src[:])
		c, d := words(dst[:])
		sport, dport, _ := p.Ports()
		h := mix64((a^c)+in.mask) ^ mix64(b^d) ^ mix64(uint64(sport^dport)<<16|uint64(p.Proto))
		*out = in.lo + scale(uint32(h>>32), mod)
		return true
	}
	if uint64(in.arg)+uint64(in.shift) > uint64(len(im.data)) {
		return false
	}
	var b [8 * keyWords]byte
	n, at := 0, int(in.key)
	for _, s := range im.data[in.arg : in.arg+uint32(in.shift)] {
		size := int(s>>1+7) / 8
		if at+2 > keyWords || n+size+4 > len(b) {
			return false
		}
		switch {
		case size > 8:
			var wide [16]byte
			binary.BigEndian.PutUint64(wide[:], env.key[at])
			binary.BigEndian.PutUint64(wide[8:], env.key[at+1])
			copy(b[n:], wide[16-size:])
			at += 2
		default:
			v := env.key[at]
			if s&1 != 0 {
				v = bits.ReverseBytes64(v) >> (64 - 8*size)
			}
			for i := range size {
				b[n+i] = byte(v >> (8 * (size - 1 - i)))
			}
			at++
		}
		n += size
		if in.shift > 1 {
			n = (n + 3) &^ 3
		}
	}
	*out = in.lo + scale(jhash(b[:n], uint32(in.mask)), mod)
	return true
}

func mix64(x uint64) uint64 {
	hi, lo := bits.Mul64(x^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return hi ^ lo
}

// jhash is Bob Jenkins' lookup3 with the kernel's initial value.
func jhash(b []byte, seed uint32) uint32 {
	x := 0xdeadbeef + uint32(len(b)) + seed
	y, z := x, x
	for ; len(b) > 12; b = b[12:] {
		x += binary.LittleEndian.Uint32(b)
		y += binary.LittleEndian.Uint32(b[4:])
		z += binary.LittleEndian.Uint32(b[8:])
		x = (x - z) ^ bits.RotateLeft32(z, 4)
		z += y
		y = (y - x) ^ bits.RotateLeft32(x, 6)
		x += z
		z = (z - y) ^ bits.RotateLeft32(y, 8)
		y += x
		x = (x - z) ^ bits.RotateLeft32(z, 16)
		z += y
		y = (y - x) ^ bits.RotateLeft32(x, 19)
		x += z
		z = (z - y) ^ bits.RotateLeft32(y, 4)
		y += x
	}
	if len(b) == 0 {
		return z
	}
	var rest [12]byte
	copy(rest[:], b)
	x += binary.LittleEndian.Uint32(rest[:])
	y += binary.LittleEndian.Uint32(rest[4:])
	z += binary.LittleEndian.Uint32(rest[8:])
	z = (z ^ y) - bits.RotateLeft32(y, 14)
	x = (x ^ z) - bits.RotateLeft32(z, 11)
	y = (y ^ x) - bits.RotateLeft32(x, 25)
	z = (z ^ y) - bits.RotateLeft32(y, 16)
	x = (x ^ z) - bits.RotateLeft32(z, 4)
	y = (y ^ x) - bits.RotateLeft32(x, 14)
	return (z ^ y) - bits.RotateLeft32(y, 24)
}
