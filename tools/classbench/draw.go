package classbench

import (
	"fmt"
	"io"
	"math/rand/v2"
)

// Draw returns n headers, each a random point in a rule drawn from all alike, so
// without the locality of published traces. Equal seeds draw equal headers.
func Draw(rules []Rule, n int, seed uint64) []Header {
	r := rand.New(rand.NewPCG(seed, seed))
	port := func(b [2]uint16) uint16 { return b[0] + uint16(r.IntN(int(b[1])-int(b[0])+1)) }
	out := make([]Header, n)
	for i := range out {
		x := &rules[r.IntN(len(rules))]
		out[i] = Header{
			Src: x.Src | r.Uint32()&^PrefixMask(x.SrcLen), Dst: x.Dst | r.Uint32()&^PrefixMask(x.DstLen),
			Sport: port(x.Sport), Dport: port(x.Dport), Proto: x.Proto | uint8(r.Uint32())&^x.Mask,
		}
		if x.Mask == 0 {
			out[i].Proto = []uint8{6, 17}[r.IntN(2)]
		}
	}
	return out
}

// WriteTrace writes headers as Trace reads them.
func WriteTrace(w io.Writer, headers []Header) error {
	for _, h := range headers {
		if _, err := fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\n", h.Src, h.Dst, h.Sport, h.Dport, h.Proto); err != nil {
			return err
		}
	}
	return nil
}
