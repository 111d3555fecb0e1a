package traffic

import (
	"fmt"
	"strings"

	"github.com/sluice-net/sluice/perf"
)

// Sessions counts the sessions of one kind and family by outcome.
type Sessions struct {
	Opened, Completed, TimedOut uint64
	Failed                      [reasons]uint64 // by Reason
}

// Failures returns the failed sessions of all reasons.
func (s *Sessions) Failures() (n uint64) {
	for _, f := range s.Failed {
		n += f
	}
	return n
}

func (s *Sessions) add(o *Sessions) {
	s.Opened += o.Opened
	s.Completed += o.Completed
	s.TimedOut += o.TimedOut
	for i := range s.Failed {
		s.Failed[i] += o.Failed[i]
	}
}

// Frames counts what a host sent and received.
type Frames struct {
	Sent, SentBytes         uint64
	Received, ReceivedBytes uint64
	Bad                     uint64 // malformed, or a checksum is wrong
	Stray                   uint64 // sound, but for no open session, or not for this host's MAC
	Foreign                 uint64 // server: addresses outside of what the configuration expects
	Payload                 uint64 // server: wrong bytes, or numbers that do not fit them
}

// Times are how long things took, in nanoseconds to the client's step.
type Times struct {
	Late    perf.Histogram // TCP: SYN behind its time, where Rate gives it one
	Connect perf.Histogram // TCP: SYN to SYN+ACK
	First   perf.Histogram // TCP: request to the answer's first byte
	Answer  perf.Histogram // TCP: request to the answer's last byte
}

// Report says how a client fared.
type Report struct {
	Frames
	Answers  uint64             // whole answers of TCP sessions
	Carried  uint64             // bytes of requests sent and answers received, TCP
	MostOpen int                // sessions at once
	By       [kinds][2]Sessions // by Kind; index 1 is IPv6
	Lost     uint64             // datagrams of streams without an answer, in sessions that went on
}

// Total adds up all kinds and families.
func (r *Report) Total() (s Sessions) {
	for k := range r.By {
		for f := range r.By[k] {
			s.add(&r.By[k][f])
		}
	}
	return s
}

// Clean says whether every opened session was completed and nothing bad,
// foreign or stray came.
func (r *Report) Clean() bool {
	t := r.Total()
	return t.Completed == t.Opened && r.Bad+r.Stray+r.Foreign+r.Payload+r.Lost == 0
}

// String gives one line per kind and family that was in use, and one for the
// frames.
func (r *Report) String() string {
	var b strings.Builder
	for k := range r.By {
		for f, name := range [2]string{"IPv4", "IPv6"} {
			s := &r.By[k][f]
			if s.Opened == 0 {
				continue
			}
			fmt.Fprintf(&b, "%s over %s: %d opened, %d completed, %d failed, %d timed out", Kind(k), name, s.Opened, s.Completed, s.Failures(), s.TimedOut)
			for i, n := range s.Failed {
				if n > 0 {
					fmt.Fprintf(&b, ", %s %d", Reason(i), n)
				}
			}
			b.WriteByte('\n')
		}
	}
	fmt.Fprintf(&b, "%v, %d datagrams lost\n", &r.Frames, r.Lost)
	return b.String()
}

// String gives the counters on one line.
func (f *Frames) String() string {
	return fmt.Sprintf("frames: %d sent (%d bytes), %d received (%d bytes), %d bad, %d stray, %d foreign, %d with wrong payload",
		f.Sent, f.SentBytes, f.Received, f.ReceivedBytes, f.Bad, f.Stray, f.Foreign, f.Payload)
}
