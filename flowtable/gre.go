package flowtable

import "sync/atomic"

// greKeySlots is how many keys a table knows, at 16 places for each.
const (
	greKeySlots  = 4096
	greKeyWindow = 16
)

// greKeys maps a PPTP data packet, known by its addresses and the call id it
// bears, to the call id that the answers bear. The PPTP helper learns both from
// the control connection, which may be another worker's: any worker reads a
// word here, and one that holds nothing is taken and given back by exchange.
//
//	63                16 15        0
//	| fingerprint       | source key |
type greKeys [greKeySlots]atomic.Uint64

// greKeyPlace returns the words that may hold tu's key and the upper part of
// its word.
func (t *Table) greKeyPlace(tu *Tuple) (window []atomic.Uint64, mark uint64) {
	k := *tu
	k.SrcPort, k.Zone = 0, 0
	fp := t.fingerprint(&k)
	at := int(fp*0x9e3779b97f4a7c15>>32) & (greKeySlots - 1) &^ (greKeyWindow - 1)
	return t.gre[at : at+greKeyWindow], max(fp>>7, 1) << 16
}

// AddGREKey makes tu.SrcPort the source key of GRE version 1 packets from
// tu.Src to tu.Dst that bear tu.DstPort as call id (nf_ct_gre_keymap_add). For
// the helper that reads the control connection, once for each direction, before
// the packet that names the call leaves. False: another key is known for them,
// or no place is free. Any worker.
func (t *Table) AddGREKey(tu *Tuple) bool {
	window, mark := t.greKeyPlace(tu)
	word := mark | uint64(tu.SrcPort)
	for i := range window {
		if w := window[i].Load(); w>>16 == mark>>16 {
			return w == word // said again
		}
	}
	for i := range window {
		if window[i].CompareAndSwap(0, word) {
			return true
		}
	}
	return false
}

// RemoveGREKey takes back what AddGREKey did with the same tuple. Any worker.
func (t *Table) RemoveGREKey(tu *Tuple) {
	window, mark := t.greKeyPlace(tu)
	for i := range window {
		if window[i].CompareAndSwap(mark|uint64(tu.SrcPort), 0) {
			return
		}
	}
}

// GREKey returns the source key of a GRE version 1 packet, 0 when none is
// known. For the parser; any goroutine.
func (t *Table) GREKey(tu *Tuple) uint16 {
	window, mark := t.greKeyPlace(tu)
	for i := range window {
		if w := window[i].Load(); w>>16 == mark>>16 {
			return uint16(w)
		}
	}
	return 0
}

func trackGRE(s *Shard, p *Probe, n uint32, now uint32) Outcome {
	return trackStream(s, p, n, s.times(n).gre, s.times(n).greStream, now)
}
