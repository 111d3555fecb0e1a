package traffic

import "fmt"

// Kind is what a session does.
type Kind uint8

// Kinds of sessions.
const (
	TCP         Kind = iota // handshake, requests and answers, FIN both ways
	TCPReset                // as TCP, but the client ends it with a reset
	TCPHalfOpen             // SYN and SYN+ACK, then nothing
	TCPRefused              // SYN to a closed port, answered by a reset
	UDP                     // a query and an answer
	UDPStream               // many datagrams, each answered, several under way
	Echo                    // ICMP or ICMPv6 echo requests
	kinds
)

var kindNames = [kinds]string{"tcp", "tcp-reset", "tcp-half-open", "tcp-refused", "udp", "udp-stream", "echo"}

func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

func (k Kind) tcp() bool { return k <= TCPRefused }

// Reason says why a session failed.
type Reason uint8

// Reasons.
const (
	ReasonReset       Reason = iota // a reset that was not expected
	ReasonUnreachable               // an ICMP error about it
	ReasonSequence                  // wrong sequence or acknowledgement number, or order
	ReasonFlags                     // TCP flags that fit no state
	ReasonLength                    // answer longer or shorter than asked for
	ReasonPayload                   // wrong bytes
	reasons
)

var reasonNames = [reasons]string{"reset", "unreachable", "sequence", "flags", "length", "payload"}

func (r Reason) String() string {
	if r < reasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}
