package flowtable

// TCPState is the state of a TCP flow, numbered as enum tcp_conntrack.
type TCPState uint8

const (
	TCPNone TCPState = iota
	TCPSynSent
	TCPSynRecv
	TCPEstablished
	TCPFinWait
	TCPCloseWait
	TCPLastAck
	TCPTimeWait
	TCPClose
	TCPSynSent2 // simultaneous open

	tcpInvalid // in the transition tables: the segment is INVALID
	tcpIgnore  // in the transition tables: let it through, change nothing
)

// TCPStates is the number of states, TCPNone included.
const TCPStates = int(TCPSynSent2) + 1

var tcpStateNames = [TCPStates]string{
	"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2",
}

// String returns the name that the conntrack tool prints.
func (s TCPState) String() string {
	if int(s) < TCPStates {
		return tcpStateNames[s]
	}
	return "UNKNOWN"
}
