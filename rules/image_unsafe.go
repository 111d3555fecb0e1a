package rules

import "unsafe"

// newImage makes the typed views of a region that link laid out. The sections'
// offsets and lengths come from link and are trusted; every section starts at a
// word, and no element type needs more than a word's alignment.
func newImage(region []uint64, counters []Counter) *Image {
	im := &Image{region: region, counters: counters}
	im.heads = view[head](region, secHeads)
	im.ins = view[ins](region, secIns)
	im.data = view[uint64](region, secData)
	im.sets = view[setDesc](region, secSets)
	im.nats = view[natDesc](region, secNAT)
	im.base = view[BaseChain](region, secBase)
	im.runs = view[runDesc](region, secRuns)
	im.classifiers = view[uint64](region, secClassifiers)
	im.ports = uint32(region[hdrPorts])
	im.names = uint32(region[hdrNames])
	im.index = uint32(region[hdrIndex])
	im.ingress, im.egress = uint32(region[hdrIngress]), uint32(region[hdrEgress])
	for f := range im.span {
		for h := range im.span[f] {
			im.span[f][h] = uint32(region[hdrSpans+f*(hooks+1)+h])
		}
	}
	return im
}

// view returns section sec of the region as its element type.
func view[T any](region []uint64, sec int) []T {
	off, n := region[hdrSections+2*sec], region[hdrSections+2*sec+1]
	if n == 0 {
		return nil
	}
	part := region[off : off+n]
	return unsafe.Slice((*T)(unsafe.Pointer(&part[0])), uintptr(n)*8/unsafe.Sizeof(*new(T)))
}

// countersIn returns the counters in words.
func countersIn(words []uint64) []Counter {
	if len(words) == 0 {
		return nil
	}
	return unsafe.Slice((*Counter)(unsafe.Pointer(&words[0])), len(words)/wordsIn[Counter](1))
}

// wordsIn returns the words that n elements of a section take.
func wordsIn[T any](n int) int { return n * int(unsafe.Sizeof(*new(T))) / 8 }

// Every element is whole words, so that sections follow one another without
// gaps. A wrong size does not compile.
const (
	_ = -(unsafe.Sizeof(head{}) % 8)
	_ = -(unsafe.Sizeof(ins{}) % 8)
	_ = -(unsafe.Sizeof(setDesc{}) % 8)
	_ = -(unsafe.Sizeof(natDesc{}) % 8)
	_ = -(unsafe.Sizeof(BaseChain{}) % 8)
	_ = -(unsafe.Sizeof(runDesc{}) % 8)
)
