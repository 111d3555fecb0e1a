package flowtable

// EventMask is a set of kinds of events (enum ip_conntrack_events).
type EventMask uint32

// Kinds of events of flows, numbered as IPCT_*, and of expectations.
const (
	EventNew EventMask = 1 << iota
	EventRelated
	EventDestroy
	EventReply
	EventAssured
	EventProtoInfo
	EventHelper
	EventMark
	EventSeqAdjust
	EventSecMark // never: there are no security marks
	EventLabel
	EventSynproxy
	EventExpectNew     EventMask = 1 << 16
	EventExpectDestroy EventMask = 1 << 17

	EventFlows   = EventSynproxy<<1 - 1
	EventExpects = EventExpectNew | EventExpectDestroy
)

func (s *Shard) expectEvent(kind EventMask, x *Expectation) {}
