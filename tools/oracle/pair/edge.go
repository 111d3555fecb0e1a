package pair

import (
	"time"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/tools/frame"
)

// streamAge is the age from which on a UDP flow with an answer is a stream, and
// ASSURED (nf_conntrack_udp_packet).
const streamAge = 2 * time.Second

// span is when a comparison's packets were sent and looked at.
type span struct{ from, to time.Time }

// age remembers when UDP's entries of the kernel began.
func (j *Judge) age(kernel []Entry) {
	j.now = span{j.From, j.From.Add(j.Took + j.Late)}
	begun := make(map[Tuple]span, len(kernel))
	for i := range kernel {
		k := &kernel[i]
		if k.Orig.Proto != frame.ProtoUDP && k.Orig.Proto != frame.ProtoUDPLite {
			continue
		}
		was, ok := j.begun[k.Orig]
		if !ok {
			was = j.now
		}
		begun[k.Orig] = was
	}
	j.begun = begun
}

// edge says whether it is the machine's affair that only one of two entries is
// ASSURED: a packet came when the flow was just about to be a stream.
func (j *Judge) edge(k, s *Entry) bool {
	was, ok := j.begun[k.Orig]
	if !ok || (k.Status^s.Status)&statusShown != flowtable.StatusAssured {
		return false
	}
	return j.now.to.Sub(was.from) >= streamAge && j.now.from.Sub(was.to) <= streamAge
}

// over says whether an entry that only one side lists had its last second, or no
// more of them than the machine took: it may have ended between the two listings.
func (j *Judge) over(e *Entry) bool {
	return time.Duration(e.Timeout)*time.Second <= j.Late && e.Status&flowtable.StatusConfirmed != 0
}
