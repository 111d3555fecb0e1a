package pktgen

import (
	"fmt"
	"math"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/afxdp/pcap"
)

// Replay is a capture to be sent.
type Replay struct {
	File  string
	Speed float64 // times the original speed; 0: as the stream's Rate says
	Loops int     // how often the capture is sent, 0: until the run's end

	frames []captured
	bytes  []byte
	runs   uint64 // by number: runs of which there are signed frames
}

// captured is a frame of a capture: its place in the bytes of all, and when it
// came, in nanoseconds after the first.
type captured struct {
	at, length int
	after      int64
}

// Load reads the file. What cannot be sent is left out and counted in skipped.
func (r *Replay) Load() (skipped int, err error) {
	if !(r.Speed >= 0) || math.IsInf(r.Speed, 0) || r.Loops < 0 {
		return 0, fmt.Errorf("replay %s: speed %g and loops %d: want no negative number", r.File, r.Speed, r.Loops)
	}
	port, err := pcap.OpenPort(pcap.Config{In: r.File, MTU: 9000, Frame: 1 << 14})
	if err != nil {
		return 0, fmt.Errorf("replay: %w", err)
	}
	defer port.Close()
	umem, err := afxdp.NewUMEM(8, 1<<15)
	if err != nil {
		return 0, err
	}
	defer umem.Close()
	queue, err := port.Open(0, umem)
	if err != nil {
		return 0, err
	}
	r.frames, r.bytes, r.runs = nil, nil, 0
	var first time.Time
	var d [1]afxdp.Desc
	for {
		ts, _, ok := port.Peek()
		if !ok {
			break
		}
		if len(r.frames) == 0 {
			first = ts
		}
		if port.Release(1) != 1 || queue.Recv(d[:]) != 1 {
			return 0, fmt.Errorf("replay %s: packet %d cannot be read", r.File, len(r.frames)+1)
		}
		b := umem.Frame(d[0].Addr, d[0].Len)
		r.frames = append(r.frames, captured{len(r.bytes), len(b), max(0, int64(ts.Sub(first)))})
		r.bytes = append(r.bytes, b...)
		if run, signed := signedBy(b); signed {
			r.runs |= 1 << run
		}
		umem.Free(d[0].Addr)
	}
	if err := port.Err(); err != nil {
		return 0, fmt.Errorf("replay: %w", err)
	}
	if len(r.frames) == 0 {
		return 0, fmt.Errorf("replay %s: no frames", r.File)
	}
	_, skipped = port.Skipped()
	return skipped, nil
}

// Frames returns how many frames were loaded.
func (r *Replay) Frames() int { return len(r.frames) }

// playback is a replay under way.
type playback struct {
	*Replay
	at    int // frame to be sent next
	loops int // done
	start int64
	began bool
	base  int64 // time of the loop's first frame, unscaled
}

func (r *Replay) playback(most int) (*playback, error) {
	if len(r.frames) == 0 {
		return nil, fmt.Errorf("replay %s: nothing is loaded", r.File)
	}
	for i, f := range r.frames {
		if f.length+FCS > most {
			return nil, fmt.Errorf("replay %s: frame %d has %d bytes, the port takes %d at most", r.File, i+1, f.length, most-FCS)
		}
	}
	return &playback{Replay: r}, nil
}

func (p *playback) mean() float64 {
	return float64(len(p.bytes))/float64(len(p.frames)) + FCS
}

// due returns how many frames are to be sent now by their times.
func (p *playback) due(now int64, most int) (n int) {
	if !p.began {
		p.began, p.start = true, now
	}
	at, loops, base := p.at, p.loops, p.base
	for n < most && (p.Loops == 0 || loops < p.Loops) {
		if p.Speed > 0 && p.start+int64(float64(base+p.frames[at].after)/p.Speed) > now {
			break
		}
		n++
		if at++; at == len(p.frames) {
			base += p.length()
			at = 0
			loops++
		}
	}
	return n
}

// length is how long a loop takes: the capture, and the mean distance of its
// frames before the next one.
func (p *playback) length() int64 {
	last := p.frames[len(p.frames)-1].after
	return last + max(last/int64(max(len(p.frames)-1, 1)), 1000)
}

// build writes the next frame.
func (p *playback) build(b []byte) int {
	f := &p.frames[p.at]
	n := copy(b, p.bytes[f.at:f.at+f.length])
	if p.at++; p.at == len(p.frames) {
		p.base += p.length()
		p.at = 0
		p.loops++
	}
	return n
}
