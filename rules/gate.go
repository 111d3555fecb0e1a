package rules

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/classify"
)

// gate is what stands at the head of a rule in a run. It returns the head of the
// first rule from there on that the packet may satisfy, and true; or the head
// behind the run. In a dead image it returns a head that does not exist.
func (im *Image) gate(h *head, w *walk) (uint, bool) {
	if h.mask >= uint64(len(im.runs)) || !im.Alive() {
		return ^uint(0), false
	}
	r := &im.runs[h.mask]
	var k classify.Key
	w.key(&k, r.word6)
	index := classify.Open(im.classifiers[r.off : r.off+r.words])
	if id := index.First(&k, uint32(h.lo)); id != classify.None {
		return uint(r.first) + uint(id), true
	}
	return uint(r.first) + uint(r.n), false
}

// key fills a classifier's key from the packet as it is now: rules may have
// changed it since the last one.
func (w *walk) key(k *classify.Key, word6 [2]uint8) {
	*k = classify.Key{Facts: uint16(w.facts) & (needProto | needFamily | factAstray)}
	n := uint(len(w.data))
	if at := w.base[srcNetwork]; at < n {
		ip := w.data[at:]
		switch uint8(w.facts >> factFamily & 0xf) {
		case flowtable.FamilyIPv4:
			if len(ip) >= 20 {
				k.Src, k.Dst = binary.BigEndian.Uint32(ip[12:]), binary.BigEndian.Uint32(ip[16:])
			}
		case flowtable.FamilyIPv6:
			if len(ip) >= 40 {
				k.Src = binary.BigEndian.Uint32(ip[8+4*(word6[0]&3):])
				k.Dst = binary.BigEndian.Uint32(ip[24+4*(word6[1]&3):])
			}
		}
	}
	if at := w.base[srcTransport]; at < n {
		th := w.data[at:]
		if len(th) >= 2 {
			k.Sport, k.Facts = binary.BigEndian.Uint16(th), k.Facts|factSport
		}
		if len(th) >= 4 {
			k.Dport, k.Facts = binary.BigEndian.Uint16(th[2:]), k.Facts|factDport
		}
	}
}
