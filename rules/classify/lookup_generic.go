//go:build !amd64 || purego

package classify

const vectors = false

func first512(*uint64, *Key, uint32) uint32 { return none }

func burst512(*uint64, *Key, int, uint32, *uint32, *Scratch) {}

func narrowFirst512(*uint64, *Key, uint32) uint32 { return none }

func narrowBurst512(*uint64, *Key, int, uint32, *uint32, *Scratch) {}
