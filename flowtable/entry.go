package flowtable

// Status bits of an entry, as in enum ip_conntrack_status
// (include/uapi/linux/netfilter/nf_conntrack_common.h).
const (
	StatusExpected     uint32 = 1 << 0
	StatusSeenReply    uint32 = 1 << 1
	StatusAssured      uint32 = 1 << 2
	StatusConfirmed    uint32 = 1 << 3
	StatusSrcNAT       uint32 = 1 << 4
	StatusDstNAT       uint32 = 1 << 5
	StatusSeqAdjust    uint32 = 1 << 6
	StatusSrcNATDone   uint32 = 1 << 7
	StatusDstNATDone   uint32 = 1 << 8
	StatusDying        uint32 = 1 << 9
	StatusFixedTimeout uint32 = 1 << 10
	StatusTemplate     uint32 = 1 << 11 // never on an entry: a Probe carries what a template would
	StatusNATClash     uint32 = 1 << 12 // only its reply tuple is in the index
	StatusHelper       uint32 = 1 << 13 // a rule or a tool attached its helper
	StatusSynproxy     uint32 = 1 << 16 // it began with a SYN proxy
	StatusSelf         uint32 = 1 << 17 // its two tuples are the same: it is in the index as its answer
	StatusNATMask             = StatusSrcNAT | StatusDstNAT
	StatusNATDoneMask         = StatusSrcNATDone | StatusDstNATDone
	StatusOwn                 = StatusSynproxy | StatusSelf // the table's own, no listing tells of them
)

// Info says how a packet relates to its flow (enum ip_conntrack_info).
type Info uint8

const (
	InfoEstablished      Info = 0 // original direction, reply seen
	InfoRelated          Info = 1 // original direction: expected child or ICMP error
	InfoNew              Info = 2
	InfoEstablishedReply Info = 3
	InfoRelatedReply     Info = 4
	InfoUntracked        Info = 7
	InfoInvalid          Info = 8 // no entry; the kernel has no number for this
)

// State bits that rules match (enum nft_ct_state).
const (
	StateInvalid     uint32 = 1 << 0
	StateEstablished uint32 = 1 << 1
	StateRelated     uint32 = 1 << 2
	StateNew         uint32 = 1 << 3
	StateUntracked   uint32 = 1 << 6
)

// State returns the bit that `ct state` compares.
func (i Info) State() uint32 {
	switch i {
	case InfoEstablished, InfoEstablishedReply:
		return StateEstablished
	case InfoRelated, InfoRelatedReply:
		return StateRelated
	case InfoNew:
		return StateNew
	case InfoUntracked:
		return StateUntracked
	default:
		return StateInvalid
	}
}

// Entry is one flow: two cache lines, written only by the worker that owns the
// shard. What few packets need lives in arrays beside it (the reply tuple of a
// NATed flow in NAT), see Extension.
//
//	line 0 |  0 Tuple (40)  | 40 Status | 44 Expires | 48 Mark | 52 State.. | 56 Plan |
//	line 1 | 64 Packets[2] | 80 Bytes[2] | 96 protocol's own (32)                       |
type Entry struct {
	Tuple   Tuple     // of the original direction
	Status  uint32    // Status* bits
	Expires uint32    // tick at which the flow ends; relative while unconfirmed
	Mark    uint32    // ct mark
	State   TCPState  // of a TCP or SCTP flow
	flags   uint8     // the table's own notes, flag* bits
	TCP     [2]uint8  // TCP: flags of both sides
	Plan    [2]uint32 // interned plan by direction; 0 is none
	Packets [2]uint64 // by direction
	Bytes   [2]uint64 // L3 bytes by direction, IP header included
	Proto   [8]uint32 // of the tracker; TCP: windows; UDP: [0] is the tick after which it is a stream
}

// Notes that the table keeps in an entry.
const (
	flagMoved     uint8 = 1 << iota // the reply tuple is NAT.Reply, not the inverse of Tuple
	flagListed                      // the tuples stand in the directory, see Table.SetNAT
	flagHelper                      // Help.Helper holds
	flagExpects                     // Help.first holds
	flagTimeouts                    // its timeouts are those of a policy
	flagLabels                      // its labels hold
	flagWatched                     // it began while events were wanted
	flagUnclaimed                   // the reply tuple is NAT.Reply, which Confirm has to claim
)

// NAT stands beside an Entry whose Status has a NAT bit.
type NAT struct {
	Reply   Tuple  // what answers look like on the wire
	OutPort uint16 // port a masquerade was bound to
	kept    bool   // KeepSource listed it; holds while Reply does
	_       [21]byte
}
