package route

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"
	"net/netip"
)

const (
	rootBits = 16
	stride   = 6
	fanout   = 1 << stride
	deeper   = 1 << 31 // in a root cell: the rest is a node, not an answer
	maxNodes = 1 << 31
)

// Sizes in memory, held by a test.
const (
	nodeBytes = 24
	hopBytes  = 32
)

// node is one level of six address bits, whose value is called the branch.
type node struct {
	inner   uint64 // bit b: branch b goes on in another node
	starts  uint64 // bit b: branch b ends here and its answer differs from the branch before it that ends here
	child   uint32 // place of the first child in nodes; the others follow in order of their branches
	answers uint32 // place of the first answer in answers
}

// answer returns the index of the hop, or of the first of several, for dst.
func (t *Table) answer(family uint8, dst *[16]byte) uint32 {
	// The address stands at the top of hi and lo; what is behind its end is
	// zero, which is why the last stride may reach over it.
	var hi, lo uint64
	var cell uint32
	switch family {
	case familyIPv4:
		hi = uint64(binary.BigEndian.Uint32(dst[:4])) << 32
		cell = t.root4[hi>>(64-rootBits)]
	case familyIPv6:
		hi, lo = binary.BigEndian.Uint64(dst[:8]), binary.BigEndian.Uint64(dst[8:])
		cell = t.root6[hi>>(64-rootBits)]
	default:
		return 0
	}
	if cell&deeper == 0 {
		return cell
	}
	n := &t.nodes[cell&^deeper]
	hi <<= rootBits
	for left := 64 - rootBits; ; {
		bit := uint64(1) << (hi >> (64 - stride))
		if n.inner&bit == 0 {
			upTo := n.starts & (bit | (bit - 1))
			return t.answers[n.answers+uint32(bits.OnesCount64(upTo))-1]
		}
		n = &t.nodes[n.child+uint32(bits.OnesCount64(n.inner&(bit-1)))]
		hi <<= stride
		if left -= stride; left == 0 { // 48 bits behind the root are eight strides
			hi, left = lo, 1<<30
		}
	}
}

// builder lays routes out as a trie.
type builder struct {
	nodes   []node
	answers []uint32
	hops    []Hop
	groups  map[string]uint32 // set of paths to the first of its hops
}

// item is a prefix on its way into the trie: address bits at the top of hi and
// lo, and the answer.
type item struct {
	hi, lo uint64
	bits   int
	answer uint32
}

// family builds the root of one family. Routes come sorted by address and then
// length, so a prefix follows every shorter one that holds it and painting them
// in order leaves the longest on top.
func (b *builder) family(routes iter.Seq2[netip.Prefix, []path]) ([]uint32, error) {
	var items []item
	for prefix, paths := range routes {
		answer, err := b.group(paths)
		if err != nil {
			return nil, err
		}
		it := item{bits: prefix.Bits(), answer: answer}
		if a := prefix.Addr(); a.Is4() {
			v4 := a.As4()
			it.hi = uint64(binary.BigEndian.Uint32(v4[:])) << 32
		} else {
			v6 := a.As16()
			it.hi, it.lo = binary.BigEndian.Uint64(v6[:8]), binary.BigEndian.Uint64(v6[8:])
		}
		items = append(items, it)
	}
	root := make([]uint32, 1<<rootBits)
	for _, it := range items {
		if it.bits <= rootBits {
			first := it.hi >> (64 - rootBits)
			for i := range uint64(1) << (rootBits - it.bits) {
				root[first+i] = it.answer
			}
		}
	}
	for branch, part := range parts(items, 0, rootBits) {
		at := len(b.nodes)
		b.nodes = append(b.nodes, node{})
		if err := b.fill(at, part, rootBits, root[branch]); err != nil {
			return nil, err
		}
		root[branch] = deeper | uint32(at)
	}
	return root, nil
}

// fill makes the node at place at from items, all longer than depth and equal
// up to there. What no item covers gets the answer above.
func (b *builder) fill(at int, items []item, depth int, above uint32) error {
	var paint [fanout]uint32
	for i := range paint {
		paint[i] = above
	}
	for i := range items {
		if it := &items[i]; it.bits <= depth+stride {
			first := it.branch(depth, stride)
			for j := range 1 << (depth + stride - it.bits) {
				paint[first+j] = it.answer
			}
		}
	}
	n := node{child: uint32(len(b.nodes)), answers: uint32(len(b.answers))}
	type child struct {
		branch int
		items  []item
	}
	var children []child
	for branch, part := range parts(items, depth, stride) {
		n.inner |= 1 << branch
		children = append(children, child{branch, part})
	}
	first := true
	for branch, answer := range paint {
		if n.inner&(1<<branch) != 0 {
			continue
		}
		if first || b.answers[len(b.answers)-1] != answer {
			n.starts |= 1 << branch
			b.answers = append(b.answers, answer)
			first = false
		}
	}
	b.nodes[at] = n
	if len(b.nodes)+len(children) >= maxNodes {
		return fmt.Errorf("routes need more than %d nodes", maxNodes)
	}
	b.nodes = append(b.nodes, make([]node, len(children))...)
	for i, c := range children {
		if err := b.fill(int(n.child)+i, c.items, depth+stride, paint[c.branch]); err != nil {
			return err
		}
	}
	return nil
}

// parts yields, for each value of the width bits behind depth, the run of
// items that go deeper there. Shorter items may stand before the run's first
// but not inside it, since sorting puts a run's holders in front of it.
func parts(items []item, depth, width int) iter.Seq2[int, []item] {
	return func(yield func(int, []item) bool) {
		for i := 0; i < len(items); {
			if items[i].bits <= depth+width {
				i++
				continue
			}
			branch := items[i].branch(depth, width)
			end := i + 1
			for end < len(items) && items[end].bits > depth+width && items[end].branch(depth, width) == branch {
				end++
			}
			if !yield(branch, items[i:end]) {
				return
			}
			i = end
		}
	}
}

// branch returns the width address bits behind depth. Depths are such that no
// branch lies across the middle of the address.
func (it *item) branch(depth, width int) int {
	word := it.hi
	if depth >= 64 {
		word, depth = it.lo, depth-64
	}
	return int(word << depth >> (64 - width))
}

// group returns the index of the first hop of a set of paths, which it lays
// out one behind the other unless that was done before.
func (b *builder) group(paths []path) (uint32, error) {
	var key []byte
	for i := range paths {
		key = appendHop(key, &paths[i].hop)
	}
	if at, ok := b.groups[string(key)]; ok {
		return at, nil
	}
	if len(b.hops)+len(paths) > maxHops {
		return 0, fmt.Errorf("routes need more than %d hops", maxHops)
	}
	at := uint32(len(b.hops))
	for i := range paths {
		b.hops = append(b.hops, paths[i].hop)
	}
	if len(paths) > 1 {
		b.hops[at].paths = uint16(len(paths))
	}
	b.groups[string(key)] = at
	return at, nil
}

func appendHop(key []byte, h *Hop) []byte {
	key = append(key, h.Gateway[:]...)
	key = binary.BigEndian.AppendUint32(key, h.MTU)
	key = binary.BigEndian.AppendUint16(key, h.Port)
	return append(key, uint8(h.Kind), h.GatewayFamily)
}
