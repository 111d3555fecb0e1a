//go:build !amd64 || purego

package classify

const best = noVectors

func first512(*uint64, *Key, uint32) uint32 { return none }

func burst512(*uint64, *Key, int, uint32, *uint32, *Scratch) {}

func narrowFirst512(*uint64, *Key, uint32) uint32 { return none }

func narrowBurst512(*uint64, *Key, int, uint32, *uint32, *Scratch) {}

func singleFirst512(*uint64, *Key, uint32, uint32) uint32 { return none }

func singleBurst512(*uint64, *Key, int, uint32, uint32, *uint32, *Scratch) {}

func first256(*uint64, *Key, uint32) uint32 { return none }

func burst256(*uint64, *Key, int, uint32, *uint32, *Scratch) {}

func narrowFirst256(*uint64, *Key, uint32) uint32 { return none }

func narrowBurst256(*uint64, *Key, int, uint32, *uint32, *Scratch) {}

func singleFirst256(*uint64, *Key, uint32, uint32) uint32 { return none }

func singleBurst256(*uint64, *Key, int, uint32, uint32, *uint32, *Scratch) {}
