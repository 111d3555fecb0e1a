package afxdp

import "fmt"

const endBurst = 64

// End is one queue of a port for a goroutine that is no worker: traffic
// generators, sinks and tests. It has a UMEM of its own and deals in byte
// slices. It belongs to one goroutine at a time.
type End struct {
	umem *UMEM
	q    Queue
	tx   [endBurst]Desc // built and not sent yet: the first ntx
	ntx  int
	next uint64 // frame that Frame has given out
	held bool   // next is valid
	rx   [endBurst]Desc
	nrx  int // received in all
	read int // of those, read
}

// NewEnd opens queue i of a port with a UMEM of the given number of frames, at
// least 256, which are large enough for the longest frames of a pipe.
func NewEnd(p Port, i, frames int) (*End, error) {
	longest := p.MTU() + etherRoom
	if pp, ok := p.(*pipePort); ok {
		longest = pp.pipe.cfg.Frame
	}
	u, err := NewUMEM(max(frames, 4*endBurst), ChunkFor(longest))
	if err != nil {
		return nil, fmt.Errorf("end of %s: %w", p.Name(), err)
	}
	q, err := p.Open(i, u)
	if err != nil {
		_ = u.Close() // the first error is the one to tell
		return nil, err
	}
	return &End{umem: u, q: q}, nil
}

// Room returns how many frames can be queued before Flush must get rid of some.
func (e *End) Room() int { return len(e.tx) - e.ntx }

// Frame returns memory in which to build the next frame, as long as a frame may
// be, or nil when the port takes no more for now. Its content is undefined.
// Calling it again without Commit gives the same memory.
func (e *End) Frame() []byte {
	if e.ntx == len(e.tx) && e.Flush() == len(e.tx) {
		return nil
	}
	if !e.held {
		if e.next, e.held = e.umem.Alloc(); !e.held {
			return nil
		}
	}
	return e.umem.Frame(e.next, uint32(e.umem.Room()))
}

// Commit queues the first n bytes of what Frame returned for sending. Serial
// goes through pipes with the frame.
func (e *End) Commit(n int, serial uint32) {
	e.tx[e.ntx] = Desc{Addr: e.next, Len: uint32(n), Options: serial}
	e.ntx++
	e.held = false
}

// Write queues a copy of a frame for sending; false: the port takes no more for
// now, and nothing was queued. Queued frames are sent in bursts, the last of
// them by Flush.
func (e *End) Write(frame []byte, serial uint32) bool {
	b := e.Frame()
	if b == nil {
		return false
	}
	if len(frame) > len(b) {
		panic(fmt.Sprintf("afxdp: frame of %d bytes: there is room for %d", len(frame), len(b)))
	}
	e.Commit(copy(b, frame), serial)
	return true
}

// Flush sends what is queued and returns how many frames the port did not take;
// they stay queued.
func (e *End) Flush() int {
	if n := e.q.Send(e.tx[:e.ntx]); n > 0 {
		e.ntx = copy(e.tx[:], e.tx[n:e.ntx])
	}
	e.q.Flush()
	return e.ntx
}

// Read returns the next frame that has arrived, with its serial. The bytes are
// valid, and may be changed, until the next Read.
func (e *End) Read() (frame []byte, serial uint32, ok bool) {
	if e.read > 0 {
		e.umem.Free(e.rx[e.read-1].Addr)
	}
	if e.read == e.nrx {
		e.read, e.nrx = 0, e.q.Recv(e.rx[:])
		if e.nrx == 0 {
			e.q.Flush()
			return nil, 0, false
		}
	}
	d := e.rx[e.read]
	e.read++
	return e.umem.Frame(d.Addr, d.Len), d.Options, true
}

// Stats returns the queue's counters.
func (e *End) Stats() QueueStats { return e.q.Stats() }

// Close gives the UMEM back. The port is closed by whoever has it.
func (e *End) Close() error { return e.umem.Close() }
