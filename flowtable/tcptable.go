package flowtable

// TCP flags as they stand in byte 13 of the header.
const (
	tcpFIN uint8 = 1 << iota
	tcpSYN
	tcpRST
	tcpPSH
	tcpACK
	tcpURG
)

// Events of a segment: the columns of the transition tables.
const (
	eventSYN uint8 = iota
	eventSYNACK
	eventFIN
	eventACK
	eventRST
	eventNone
	events
)

// The transition tables, by direction, event and state now (facts of
// nf_conntrack_proto_tcp.c). Read a row from left to right through the states
//
//	NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2
var tcpNext = func() [2][events][TCPStates]TCPState {
	const (
		no = TCPNone
		ss = TCPSynSent
		sr = TCPSynRecv
		es = TCPEstablished
		fw = TCPFinWait
		cw = TCPCloseWait
		la = TCPLastAck
		tw = TCPTimeWait
		cl = TCPClose
		s2 = TCPSynSent2
		iv = tcpInvalid
		ig = tcpIgnore
	)
	never := [TCPStates]TCPState{iv, iv, iv, iv, iv, iv, iv, iv, iv, iv}
	return [2][events][TCPStates]TCPState{
		Original: {
			eventSYN:    {ss, ss, ig, ig, ig, ig, ig, ss, ss, s2},
			eventSYNACK: {iv, iv, sr, iv, iv, iv, iv, iv, iv, sr},
			eventFIN:    {iv, iv, fw, fw, la, la, la, tw, cl, iv},
			eventACK:    {es, iv, es, es, cw, cw, tw, tw, cl, iv},
			eventRST:    {iv, cl, cl, cl, cl, cl, cl, cl, cl, cl},
			eventNone:   never,
		},
		Reply: {
			eventSYN:    {iv, s2, iv, iv, iv, iv, iv, ss, iv, s2},
			eventSYNACK: {iv, sr, ig, ig, ig, ig, ig, ig, ig, sr},
			eventFIN:    {iv, iv, fw, fw, la, la, la, tw, cl, iv},
			eventACK:    {iv, ig, sr, es, cw, cw, tw, tw, cl, ig},
			eventRST:    {iv, cl, cl, cl, cl, cl, cl, cl, cl, cl},
			eventNone:   never,
		},
	}
}()

// tcpEvent maps the six flag bits to an event; illegal sets have bit 7.
var tcpEvent = func() (table [64]uint8) {
	legal := map[uint8]bool{
		tcpSYN: true, tcpSYN | tcpURG: true, tcpSYN | tcpACK: true, tcpRST: true, tcpRST | tcpACK: true,
		tcpFIN | tcpACK: true, tcpFIN | tcpACK | tcpURG: true, tcpACK: true, tcpACK | tcpURG: true,
	}
	for f := range uint8(64) {
		e := eventNone
		switch {
		case f&tcpRST != 0:
			e = eventRST
		case f&tcpSYN != 0 && f&tcpACK != 0:
			e = eventSYNACK
		case f&tcpSYN != 0:
			e = eventSYN
		case f&tcpFIN != 0:
			e = eventFIN
		case f&tcpACK != 0:
			e = eventACK
		}
		if !legal[f&^tcpPSH] {
			e |= tcpIllegal
		}
		table[f] = e
	}
	return table
}()

const tcpIllegal uint8 = 0x80
