package settings

import "github.com/sluice-net/sluice/afxdp"

const (
	hostRing = 1024 // descriptors in the rings of a host path

	burst = 64
	// spareFrames is for what is in no ring: the burst that is walking,
	// fragments that wait, packets whose neighbour is being asked for, and what
	// other workers hand over.
	spareFrames = 4096
)

// FramesPerWorker returns how many frames each worker's memory has: every fill
// and TX ring full, and some to work with.
func (s *Settings) FramesPerWorker() int {
	if s.Frames != 0 {
		return s.Frames
	}
	return s.leastFrames() + spareFrames
}

// leastFrames fills every ring.
func (s *Settings) leastFrames() int {
	perPort := 2 * s.Ring
	if s.hasHostPath() {
		perPort += 2 * min(s.Ring, hostRing)
	}
	return len(s.Ports)*perPort + 2*burst
}

// FrameHugePages returns how many huge pages of so many KiB the frames of that
// many workers fill, the largest MTU of the ports being known.
func (s *Settings) FrameHugePages(workers, mtu, kib int) int {
	page := kib << 10
	return workers * ((s.FramesPerWorker()*s.ChunkFor(mtu) + page - 1) / page)
}

func (s *Settings) hasHostPath() bool { return s.HostPath && s.Mode == ModeRouter }

// HasHostPath says whether ports get a way to the kernel's own stack: in router
// mode, unless it is switched off.
func (s *Settings) HasHostPath() bool { return s.hasHostPath() }

// ChunkFor returns the bytes of a frame for the largest MTU of the ports. An
// MTU for which no frame is large enough gets the largest: opening the port
// then says what to do.
func (s *Settings) ChunkFor(mtu int) int {
	if s.Chunk != 0 {
		return s.Chunk
	}
	return min(afxdp.ChunkForMTU(mtu), afxdp.MaxChunk)
}

// WorkersFor returns the number of workers when the port with the fewest queues
// has that many and there are that many CPUs: one a queue, with a CPU left for
// the rest of the program.
func (s *Settings) WorkersFor(queues, cpus int) int {
	if s.Workers != 0 {
		return s.Workers
	}
	return max(1, min(queues, cpus-1))
}
