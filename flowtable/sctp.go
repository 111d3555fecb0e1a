package flowtable

import "encoding/binary"

// SCTPState is the state of an SCTP association, numbered as enum
// sctp_conntrack. It stands in Entry.State.
type SCTPState = TCPState

const (
	SCTPNone SCTPState = iota
	SCTPClosed
	SCTPCookieWait
	SCTPCookieEchoed
	SCTPEstablished
	SCTPShutdownSent
	SCTPShutdownRecd
	SCTPShutdownAckSent
	SCTPHeartbeatSent

	sctpInvalid // in the transition tables
)

// SCTPStates is the number of states, SCTPNone included.
const SCTPStates = int(SCTPHeartbeatSent) + 1

var sctpStateNames = [SCTPStates]string{
	"NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT",
}

func sctpStateName(s SCTPState) string {
	if int(s) < SCTPStates {
		return sctpStateNames[s]
	}
	return "UNKNOWN"
}

// Chunk types (RFC 9260, section 3.2).
const (
	chunkData             = 0
	chunkInit             = 1
	chunkInitAck          = 2
	chunkHeartbeat        = 4
	chunkHeartbeatAck     = 5
	chunkAbort            = 6
	chunkShutdown         = 7
	chunkShutdownAck      = 8
	chunkError            = 9
	chunkCookieEcho       = 10
	chunkCookieAck        = 11
	chunkShutdownComplete = 14

	chunkTypes = 16 // those above change nothing
	chunkTFlag = 1  // ABORT, SHUTDOWN_COMPLETE: the tag is the peer's

	chunkHeaderLen = 4
	initLen        = chunkHeaderLen + 16 // up to the initial TSN
)

// sctpNext is the state after a chunk, by direction, type and state now (facts
// of nf_conntrack_proto_sctp.c). Read a row from left to right through
//
//	NONE CLOSED COOKIE_WAIT COOKIE_ECHOED ESTABLISHED SHUTDOWN_SENT SHUTDOWN_RECD SHUTDOWN_ACK_SENT HEARTBEAT_SENT
var sctpNext = func() (next [2][chunkTypes][SCTPStates]SCTPState) {
	const (
		no = SCTPNone
		cl = SCTPClosed
		cw = SCTPCookieWait
		ce = SCTPCookieEchoed
		es = SCTPEstablished
		ss = SCTPShutdownSent
		sr = SCTPShutdownRecd
		sa = SCTPShutdownAckSent
		hs = SCTPHeartbeatSent
		iv = sctpInvalid
	)
	for dir := range next {
		for typ := range next[dir] {
			next[dir][typ] = [SCTPStates]SCTPState{no, cl, cw, ce, es, ss, sr, sa, hs} // as DATA: nothing changes
		}
	}
	o, r := &next[Original], &next[Reply]
	o[chunkInit] = [SCTPStates]SCTPState{cl, cl, cw, ce, es, cl, cl, sa, cw}
	o[chunkInitAck] = [SCTPStates]SCTPState{cl, cl, cw, ce, es, ss, sr, sa, cl}
	o[chunkAbort] = [SCTPStates]SCTPState{cl, cl, cl, cl, cl, cl, cl, cl, cl}
	o[chunkShutdown] = [SCTPStates]SCTPState{cl, cl, cw, ce, ss, ss, sr, sa, cl}
	o[chunkShutdownAck] = [SCTPStates]SCTPState{sa, cl, cw, ce, es, sa, sa, sa, sa}
	o[chunkError] = [SCTPStates]SCTPState{cl, cl, cw, ce, es, ss, sr, sa, cl}
	o[chunkCookieEcho] = [SCTPStates]SCTPState{cl, cl, ce, ce, es, ss, sr, sa, cl}
	o[chunkCookieAck] = [SCTPStates]SCTPState{cl, cl, cw, es, es, ss, sr, sa, cl}
	o[chunkShutdownComplete] = [SCTPStates]SCTPState{cl, cl, cw, ce, es, ss, sr, cl, cl}
	o[chunkHeartbeat] = [SCTPStates]SCTPState{hs, cl, cw, ce, es, ss, sr, sa, hs}
	o[chunkHeartbeatAck] = [SCTPStates]SCTPState{cl, cl, cw, ce, es, ss, sr, sa, hs}

	r[chunkInit] = [SCTPStates]SCTPState{iv, cl, cw, ce, es, ss, sr, sa, iv}
	r[chunkInitAck] = [SCTPStates]SCTPState{iv, cw, cw, ce, es, ss, sr, sa, iv}
	r[chunkAbort] = [SCTPStates]SCTPState{iv, cl, cl, cl, cl, cl, cl, cl, iv}
	r[chunkShutdown] = [SCTPStates]SCTPState{iv, cl, cw, ce, sr, ss, sr, sa, iv}
	r[chunkShutdownAck] = [SCTPStates]SCTPState{iv, cl, cw, ce, es, sa, sa, sa, iv}
	r[chunkError] = [SCTPStates]SCTPState{iv, cl, cw, cl, es, ss, sr, sa, iv}
	r[chunkCookieEcho] = [SCTPStates]SCTPState{iv, cl, ce, ce, es, ss, sr, sa, iv}
	r[chunkCookieAck] = [SCTPStates]SCTPState{iv, cl, cw, es, es, ss, sr, sa, iv}
	r[chunkShutdownComplete] = [SCTPStates]SCTPState{iv, cl, cw, ce, es, ss, sr, cl, iv}
	r[chunkHeartbeat] = [SCTPStates]SCTPState{iv, cl, cw, ce, es, ss, sr, sa, hs}
	r[chunkHeartbeatAck] = [SCTPStates]SCTPState{iv, cl, cw, ce, es, ss, sr, sa, es}
	return next
}()

// An association's part of Entry.Proto: [0] and [1] are the verification tags
// that packets of either direction must bear, [2] holds these flags.
const (
	sctpInitSeen   uint32 = 1 << iota // INIT of the original side; shifted by one: of the reply side
	_                                 //
	sctpTagInDoubt                    // a HEARTBEAT had another tag; its answer decides
	sctpDoubtReply                    // it came from the reply side

	sctpNotes = 2
)

// trackSCTP takes the chunks of a packet through the state table (facts of
// nf_conntrack_sctp_packet). What chunks changed before one that is INVALID
// stays changed.
func trackSCTP(s *Shard, p *Probe, n uint32, now uint32) Outcome {
	e := &s.entries[n]
	seen, ok := sctpChunks(p.Rest)
	if !ok {
		p.Reason = ReasonSCTPChunk
		return OutcomeInvalid
	}
	dir := p.Dir & 1
	confirmed := e.Status&StatusConfirmed != 0
	if !confirmed {
		if seen&(1<<chunkAbort|1<<chunkShutdownComplete|1<<chunkCookieAck) != 0 || !sctpBegin(e, p) {
			p.Reason = ReasonSCTPNotNew
			return OutcomeInvalid
		}
	}
	if seen&sctpOwnTag == 0 && p.Seq != e.Proto[dir] {
		p.Reason = ReasonSCTPTag
		return OutcomeInvalid
	}

	next, still := SCTPNone, false
	for c := p.Rest; len(c) >= chunkHeaderLen; {
		kind := c[0]
		switch verdict := sctpTag(e, p, c, seen, still); verdict {
		case tagWrong:
			p.Reason = ReasonSCTPTag
			return OutcomeInvalid
		case tagDoubt:
			still = true
			c = nextChunk(c)
			continue
		}
		old := e.State
		next = old
		if kind < chunkTypes {
			next = sctpNext[dir][kind][old]
		}
		if next == sctpInvalid {
			p.Reason = ReasonSCTPState
			return OutcomeInvalid
		}
		switch kind {
		case chunkInit:
			if len(c) < initLen {
				p.Reason = ReasonSCTPChunk
				return OutcomeInvalid
			}
			// The same tag again is the same INIT again.
			if !confirmed || e.Proto[dir^1] != binary.BigEndian.Uint32(c[4:]) {
				if e.Proto[sctpNotes]&(sctpInitSeen<<(dir^1)) != 0 && e.Proto[sctpNotes]&(sctpInitSeen<<dir) != 0 {
					e.Proto[sctpNotes] &^= sctpInitSeen << (dir ^ 1)
				}
				e.Proto[sctpNotes] |= sctpInitSeen << dir
			}
			e.Proto[dir^1] = binary.BigEndian.Uint32(c[4:])
			// A port used over and over must not keep the entry alive.
			still = still || confirmed && old == SCTPClosed && next == SCTPClosed
		case chunkInitAck:
			if len(c) < initLen {
				p.Reason = ReasonSCTPChunk
				return OutcomeInvalid
			}
			tag, have := binary.BigEndian.Uint32(c[4:]), e.Proto[dir^1]
			mine, theirs := e.Proto[sctpNotes]&(sctpInitSeen<<dir) != 0, e.Proto[sctpNotes]&(sctpInitSeen<<(dir^1)) != 0
			if have != tag && (!theirs && have != 0 || mine && theirs) {
				p.Reason = ReasonSCTPTag // of another association, or both began at once
				return OutcomeInvalid
			}
			e.Proto[dir^1] = tag
		}
		e.State = next
		if next == SCTPEstablished && old != next {
			e.setStatus(StatusAssured)
		}
		c = nextChunk(c)
	}
	if !still {
		s.Refresh(p, n, s.times(n).sctp[next], now)
	}
	return OutcomeAccept
}

// sctpOwnTag are the types whose tag has rules of its own (RFC 9260, 8.5.1).
const sctpOwnTag = 1<<chunkInit | 1<<chunkShutdownComplete | 1<<chunkCookieEcho | 1<<chunkAbort |
	1<<chunkShutdownAck | 1<<chunkHeartbeat | 1<<chunkHeartbeatAck

// nextChunk returns what follows the first chunk of c.
func nextChunk(c []byte) []byte {
	return c[min(len(c), (int(binary.BigEndian.Uint16(c[2:]))+3)&^3):]
}

// sctpChunks returns the set of chunk types below 16; false: there is none, one
// has no length, or one that must be alone or first is not.
func sctpChunks(c []byte) (seen uint16, ok bool) {
	alone := false
	count := 0
	for ; len(c) >= chunkHeaderLen; count++ {
		kind := c[0]
		alone = alone || kind == chunkInit || kind == chunkInitAck || kind == chunkShutdownComplete
		if binary.BigEndian.Uint16(c[2:]) == 0 || count > 0 && (alone || kind == chunkCookieAck || kind == chunkCookieEcho) {
			return 0, false
		}
		if kind < chunkTypes {
			seen |= 1 << kind
		}
		c = nextChunk(c)
	}
	return seen, count > 0
}

// sctpBegin notes the tags of the first packet of an association; false: it
// cannot be one.
func sctpBegin(e *Entry, p *Probe) bool {
	for c := p.Rest; len(c) >= chunkHeaderLen; c = nextChunk(c) {
		kind := c[0]
		if kind >= chunkTypes || sctpNext[Original][kind][SCTPNone] == SCTPNone {
			return false
		}
		switch kind {
		case chunkInit:
			if p.Seq != 0 || len(c) < initLen {
				return false
			}
			e.Proto[Reply] = binary.BigEndian.Uint32(c[chunkHeaderLen:])
		case chunkHeartbeat:
			e.Proto[Original] = p.Seq
		case chunkShutdownAck: // out of the blue: the answer bears the same tag
			e.Proto[Reply] = p.Seq
		}
	}
	return true
}

// What sctpTag finds.
const (
	tagRight = iota
	tagDoubt // let the packet by, but do not refresh the flow
	tagWrong
)

// sctpTag judges the packet's verification tag by its first chunk in c.
func sctpTag(e *Entry, p *Probe, c []byte, seen uint16, still bool) int {
	dir := p.Dir & 1
	notes := &e.Proto[sctpNotes]
	right := true
	switch c[0] {
	case chunkInit:
		right = p.Seq == 0
	case chunkAbort, chunkShutdownComplete:
		right = p.Seq == e.Proto[dir^c[1]&chunkTFlag]
	case chunkCookieEcho:
		right = p.Seq == e.Proto[dir]
	case chunkCookieAck:
		*notes &^= sctpInitSeen * 3
	case chunkHeartbeat:
		switch {
		case e.Proto[dir] == 0:
			e.Proto[dir] = p.Seq
		case p.Seq == e.Proto[dir]:
			*notes &^= sctpTagInDoubt
		case seen&(1<<chunkData) != 0 || still:
			return tagWrong
		default:
			*notes = *notes&^sctpDoubtReply | sctpTagInDoubt | uint32(dir)*sctpDoubtReply
			return tagDoubt
		}
	case chunkHeartbeatAck:
		switch {
		case e.Proto[dir] == 0:
			e.Proto[dir] = p.Seq
		case p.Seq == e.Proto[dir]:
			*notes &^= sctpTagInDoubt
		case seen&(1<<chunkData) != 0 || still || *notes&sctpTagInDoubt == 0 || (*notes&sctpDoubtReply != 0) == (dir == Reply):
			return tagWrong
		default: // the peer answered the tag that we did not know
			*notes &^= sctpTagInDoubt
			e.Proto[dir], e.Proto[dir^1] = p.Seq, 0
		}
	}
	if !right {
		return tagWrong
	}
	return tagRight
}

// sctpClosing is tcpClosing for associations.
func sctpClosing(state SCTPState) bool {
	return state >= SCTPShutdownSent && state <= SCTPShutdownAckSent
}
