package rules

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/rules/nft"
)

// Image is one worker's copy of a compiled ruleset. Its memory is off the Go
// heap and is read and counted into by that worker alone. Base and Eval belong
// to the worker; Poison and Free to whoever knows that no worker uses it.
type Image struct {
	whole    []uint64 // its memory
	store    *Store   // whose memory it is; nil: the image's own
	region   []uint64 // the part that is the master's copy
	counters []Counter
	cells    []uint32   // of the states, in shared
	shared   []uint64   // the store's
	giveBack []func()   // what the store gave
	bulks    [][]uint64 // entries of large sets, shared
	policies []uint16   // of flows' timeouts
	dyns     []*dynTable
	specs    []dynSpec // of dyns, the ruleset's
	exts     []Extension

	// views into region
	heads           []head
	ins             []ins
	data            []uint64
	sets            []setDesc
	nats            []natDesc
	base            []BaseChain
	runs            []runDesc
	span            [spans][hooks + 1]uint32 // base chains of a family and hook: base[span[f][h]:span[f][h+1]]
	ingress, egress uint32                   // base chains at the ingress of ports: base[:ingress]; at their egress: base[ingress:egress]
	ports           uint32
	names           uint32
	index           uint32

	classifiers []uint64 // of runs, also in region
}

// hooks is the number of hooks an image knows: the five of IP.
const hooks = 5

// poisonedBase is what a dead image has at every hook: a chain that drops.
var poisonedBase = []BaseChain{{Entry: ^uint32(0), Policy: Drop, PolicyID: PoisonedRule}}

// Alive says whether the image may be used: neither poisoned nor freed.
func (im *Image) Alive() bool {
	return len(im.region) > hdrMagic && im.region[hdrMagic] == imageMagic
}

// Generation returns the number of the ruleset's publication, 0 of a dead image.
func (im *Image) Generation() uint64 {
	if !im.Alive() {
		return 0
	}
	return im.region[hdrGeneration]
}

// NeedsConntrack says whether some rule that sees packets of an IP family reads or
// sets what connection tracking knows, or translates. As in the kernel, packets
// of the other family are then not tracked, and a chain of type nat alone sees
// nothing.
func (im *Image) NeedsConntrack(family uint8) bool {
	flag := flagTrack4
	if family == flowtable.FamilyIPv6 {
		flag = flagTrack6
	}
	return im.Alive() && im.region[hdrFlags]&flag != 0
}

// NeedsPriority says whether some rule asks for meta priority, or one written
// elsewhere may.
func (im *Image) NeedsPriority() bool { return im.Alive() && im.region[hdrFlags]&flagClass != 0 }

// Base returns the base chains for packets of an IP family, or for the frames that
// FamilyBridge's chains see, at a hook, in the
// order in which they see a packet: ascending priority, of equal ones the one
// registered last first. The slice is the image's own: read only, valid as long
// as the image. A dead image has one chain everywhere, which drops with
// PoisonedRule. It does not allocate.
func (im *Image) Base(family uint8, hook nft.Hook) []BaseChain {
	if !im.Alive() {
		return poisonedBase
	}
	f := spanOf(family)
	if hook >= hooks || f == spans {
		return nil
	}
	return im.base[im.span[f][hook]:im.span[f][hook+1]]
}

// Counters returns the image's counters, one for each counter statement in the
// order of the tree.
func (im *Image) Counters() []Counter { return im.counters }

// Count adds a packet of so many L3 bytes to the counters of a trail that this
// image's Eval left behind.
func (im *Image) Count(counters []uint32, bytes uint32) {
	for _, i := range counters {
		if uint(i) < uint(len(im.counters)) {
			c := &im.counters[i]
			c.Packets++
			c.Bytes += uint64(bytes)
		}
	}
}

// Poison overwrites the image so that any later use is noticed: Alive is false,
// Base has one chain and Eval drops with PoisonedRule. The counters stay. Call it
// after the grace period, in checking mode, before Free.
func (im *Image) Poison() {
	for i := range im.region {
		im.region[i] = poisonWord
	}
}

// Free gives the memory back. The image is dead afterwards; a second Free does
// nothing. No worker may be inside Eval.
func (im *Image) Free() error {
	was := *im
	*im = Image{}
	for _, f := range was.giveBack {
		f()
	}
	if was.store == nil {
		return offheap.Free(was.whole)
	}
	was.store.shelf.Put(was.whole)
	return nil
}

// name returns the 16 bytes of a port's interface name as two words.
func (im *Image) name(port uint16) (hi, lo uint64) {
	i := uint64(im.names) + 2*uint64(min(uint32(port), im.ports))
	if i+1 >= uint64(len(im.data)) {
		return 0, 0
	}
	return im.data[i], im.data[i+1]
}

// ifindex returns a port's interface index, 0 for "none".
func (im *Image) ifindex(port uint16) uint64 {
	i := uint64(im.index) + uint64(min(uint32(port), im.ports))
	if i >= uint64(len(im.data)) {
		return 0
	}
	return im.data[i]
}

// spec returns NAT statement n.
func (im *Image) spec(n uint32, out *NATSpec) bool {
	if uint64(n) >= uint64(len(im.nats)) {
		return false
	}
	d := &im.nats[n]
	*out = NATSpec{
		Kind: nft.NATKind(d.kind), Family: d.family, HasAddr: d.hasAddr != 0,
		AddrMin: d.addrMin, AddrMax: d.addrMax,
		PortMin: d.portMin, PortMax: d.portMax, Flags: d.flags,
	}
	return true
}

func words(b []byte) (hi, lo uint64) {
	return binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
}
