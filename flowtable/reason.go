package flowtable

// Reason names why a packet is INVALID or why the table dropped it. The kernel
// has only the words `invalid`, `drop` and `insert_failed` for all of them.
type Reason uint8

const (
	ReasonNone Reason = iota

	// Set by the parser together with KindInvalid.
	ReasonMalformed // header lengths that contradict each other
	ReasonTruncated // too short for the fields of a tuple
	ReasonFragment  // a fragment that does not begin its datagram
	ReasonChecksum  // wrong transport checksum
	ReasonICMPSum   // wrong ICMP checksum
	ReasonICMPShort // not even a whole ICMP header
	ReasonICMPType  // an ICMP type that is neither query, answer nor error
	ReasonICMPInner // the packet inside an ICMP error gives no tuple
	ReasonRedirect  // an ICMPv6 redirect that is not a router's, or redirects nothing
	ReasonLength    // the UDP length or the UDPLite coverage says what cannot be
	ReasonGRE       // GRE version 1 that carries no PPP

	// Set by Track: INVALID, accepted unless a rule drops it.
	ReasonNoInverse   // the tuple has no answer (an ICMP type without a pair)
	ReasonNoFlow      // an ICMP error about a flow that is not there
	ReasonMisdirected // an ICMP error not addressed to the inner packet's sender
	ReasonNotQuery    // a first ICMP packet that is no query
	ReasonTCPFlags    // an illegal set of TCP flags
	ReasonTCPState    // a segment that the flow's state does not allow
	ReasonTCPNotNew   // a first segment that neither opens nor may be picked up
	ReasonTCPReset    // a reset below the sequence number that the peer expects
	ReasonTCPSeqOver  // begins behind the receiver's window
	ReasonTCPAckOver  // acknowledges what was not sent
	ReasonSCTPChunk   // chunks without length, in the wrong place, or none
	ReasonSCTPTag     // the verification tag of another association
	ReasonSCTPState   // a chunk that the association's state does not allow
	ReasonSCTPNotNew  // a first packet that cannot open an association

	// Only counted: TCP segments let through that changed nothing in their flow.
	ReasonTCPOvershoot // begins behind the receiver's window, but not far
	ReasonTCPSeqUnder  // data that were acknowledged long ago
	ReasonTCPAckUnder  // an acknowledgement long delayed
	ReasonTCPIgnored   // may belong to a connection that only the two ends know
	ReasonTCPChallenge // a challenge ACK

	// Set by Track and Confirm: dropped.
	ReasonTableFull // no room and nothing to drop early (`drop`)
	ReasonIndexFull // both buckets of a tuple are full (`chaintoolong`)
	ReasonClash     // another flow has one of the tuples (`insert_failed`)
	ReasonDying     // the flow ended before its first packet was through (`insert_failed`)
	ReasonNoPort    // every tuple that its translation could have chosen is in use (`insert_failed`)

	// Only counted: what ClaimReply met.
	ReasonReplyTaken    // the reply tuple belongs to another flow
	ReasonDirectoryFull // no free word in either directory bucket
	ReasonExpectFull    // Expect met expect_max or a full window

	reasons
)

// Reasons is the number of reasons, ReasonNone included.
const Reasons = int(reasons)

var reasonNames = [reasons]string{
	ReasonNone:          "none",
	ReasonMalformed:     "malformed",
	ReasonTruncated:     "truncated",
	ReasonFragment:      "fragment",
	ReasonChecksum:      "checksum",
	ReasonICMPSum:       "icmp-checksum",
	ReasonICMPShort:     "icmp-truncated",
	ReasonICMPType:      "icmp-type",
	ReasonICMPInner:     "icmp-inner",
	ReasonNoInverse:     "no-inverse",
	ReasonNoFlow:        "icmp-no-flow",
	ReasonMisdirected:   "icmp-misdirected",
	ReasonNotQuery:      "icmp-not-query",
	ReasonTCPFlags:      "tcp-flags",
	ReasonTCPState:      "tcp-state",
	ReasonTCPNotNew:     "tcp-not-new",
	ReasonTCPReset:      "tcp-invalid-rst",
	ReasonTCPSeqOver:    "tcp-seq-over",
	ReasonTCPAckOver:    "tcp-ack-over",
	ReasonTCPOvershoot:  "tcp-overshoot",
	ReasonRedirect:      "icmpv6-redirect",
	ReasonLength:        "length",
	ReasonGRE:           "gre-protocol",
	ReasonSCTPChunk:     "sctp-chunk",
	ReasonSCTPTag:       "sctp-vtag",
	ReasonSCTPState:     "sctp-state",
	ReasonSCTPNotNew:    "sctp-not-new",
	ReasonTCPSeqUnder:   "tcp-seq-under",
	ReasonTCPAckUnder:   "tcp-ack-under",
	ReasonTCPIgnored:    "tcp-ignored",
	ReasonTCPChallenge:  "tcp-challenge-ack",
	ReasonTableFull:     "table-full",
	ReasonIndexFull:     "index-full",
	ReasonClash:         "clash",
	ReasonDying:         "dying",
	ReasonNoPort:        "no-free-port",
	ReasonReplyTaken:    "reply-taken",
	ReasonDirectoryFull: "directory-full",
	ReasonExpectFull:    "expect-full",
}

// String returns the reason as it stands in logs and metrics.
func (r Reason) String() string {
	if r < reasons {
		return reasonNames[r]
	}
	return "unknown"
}

// Invalid reports whether packets with the reason are INVALID. The others passed
// as part of their flow, or the table had no room for what they wanted.
func (r Reason) Invalid() bool { return r > ReasonNone && r < ReasonTCPOvershoot }

// isError reports whether the kernel counts the reason as `error` (its ICMP
// error handler refused the packet) and not as `invalid`.
func (r Reason) isError() bool {
	switch r {
	case ReasonICMPSum, ReasonICMPShort, ReasonICMPType, ReasonICMPInner, ReasonRedirect, ReasonNoFlow, ReasonMisdirected:
		return true
	}
	return false
}
