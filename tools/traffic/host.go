package traffic

import "github.com/sluice-net/sluice/afxdp"

// host is what client and server have in common: an end, a link address and
// counters.
type host struct {
	end    *afxdp.End
	mac    [6]byte
	frames Frames
	serial uint32 // of the last frame sent
}

// room returns memory for the next frame, nil when the port takes no more.
func (h *host) room() []byte { return h.end.Frame() }

// send queues the n bytes that were written to what room returned.
func (h *host) send(n int) {
	h.serial++
	h.end.Commit(n, h.serial)
	h.frames.Sent++
	h.frames.SentBytes += uint64(n)
}

// receive returns the next sound packet for this host; false: none is there.
func (h *host) receive(p *packet) bool {
	for {
		frame, _, ok := h.end.Read()
		if !ok {
			return false
		}
		h.frames.Received++
		h.frames.ReceivedBytes += uint64(len(frame))
		switch {
		case !p.parse(frame):
			h.frames.Bad++
		case p.to != h.mac:
			h.frames.Stray++
		default:
			return true
		}
	}
}
