//go:build !purego

package classify

import "golang.org/x/sys/cpu"

// best is the widest vectors that this CPU has and there is assembly for.
var best = func() vectors {
	x := &cpu.X86
	switch bits := x.HasBMI1 && x.HasBMI2 && x.HasPOPCNT; {
	case bits && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ:
		return vectors512
	case bits && x.HasAVX2:
		return vectors256
	}
	return noVectors
}()

//go:noescape
func first512(index *uint64, key *Key, from uint32) uint32

//go:noescape
func burst512(index *uint64, keys *Key, n int, from uint32, out *uint32, s *Scratch)

//go:noescape
func narrowFirst512(index *uint64, key *Key, from uint32) uint32

//go:noescape
func narrowBurst512(index *uint64, keys *Key, n int, from uint32, out *uint32, s *Scratch)

//go:noescape
func singleFirst512(index *uint64, key *Key, from, bit uint32) uint32

//go:noescape
func singleBurst512(index *uint64, keys *Key, n int, from, bit uint32, out *uint32, s *Scratch)

//go:noescape
func first256(index *uint64, key *Key, from uint32) uint32

//go:noescape
func burst256(index *uint64, keys *Key, n int, from uint32, out *uint32, s *Scratch)

//go:noescape
func narrowFirst256(index *uint64, key *Key, from uint32) uint32

//go:noescape
func narrowBurst256(index *uint64, keys *Key, n int, from uint32, out *uint32, s *Scratch)

//go:noescape
func singleFirst256(index *uint64, key *Key, from, bit uint32) uint32

//go:noescape
func singleBurst256(index *uint64, keys *Key, n int, from, bit uint32, out *uint32, s *Scratch)
