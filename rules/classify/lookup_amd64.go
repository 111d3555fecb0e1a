//go:build !purego

package classify

import "golang.org/x/sys/cpu"

// vectors says whether this CPU can run the assembly.
var vectors = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512DQ &&
	cpu.X86.HasBMI1 && cpu.X86.HasBMI2 && cpu.X86.HasPOPCNT

//go:noescape
func first512(index *uint64, key *Key, from uint32) uint32

//go:noescape
func burst512(index *uint64, keys *Key, n int, from uint32, out *uint32, s *Scratch)

//go:noescape
func narrowFirst512(index *uint64, key *Key, from uint32) uint32

//go:noescape
func narrowBurst512(index *uint64, keys *Key, n int, from uint32, out *uint32, s *Scratch)
