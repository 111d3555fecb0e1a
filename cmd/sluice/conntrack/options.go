package conntrack

import "github.com/sluice-net/sluice/cmd/sluice/getopt"

// Option is an option of the tool, a bit each, in the order of its tables.
type Option uint32

// The options.
const (
	OptOrigSrc Option = 1 << iota
	OptOrigDst
	OptReplySrc
	OptReplyDst
	OptProto
	OptTimeout
	OptStatus
	OptZero
	OptEventMask
	OptExpSrc
	OptExpDst
	OptMaskSrc
	OptMaskDst
	OptNATRange
	OptMark
	OptID
	OptFamily
	OptSrcNAT
	OptDstNAT
	OptOutput
	OptSecmark
	OptBufferSize
	OptAnyNAT
	OptZone
	OptLabel
	OptAddLabel
	OptDelLabel
	OptOrigZone
	OptReplyZone
)

const (
	optOrig  = OptOrigSrc | OptOrigDst
	optReply = OptReplySrc | OptReplyDst
	// optComparison are the options that make the tool compare entries with what
	// it was told.
	optComparison = OptProto | optOrig | optReply | OptMark | OptSecmark | OptStatus | OptID | OptZone | OptLabel | OptOrigZone | OptReplyZone
)

// optionNames are what errors call the options, in their order.
var optionNames = []string{
	"src", "dst", "reply-src", "reply-dst", "protonum", "timeout", "status", "zero", "event-mask", "tuple-src", "tuple-dst",
	"mask-src", "mask-dst", "nat-range", "mark", "id", "family", "src-nat", "dst-nat", "output", "secmark", "buffer-size",
	"any-nat", "zone", "label", "label-add", "label-del", "orig-zone", "reply-zone",
}

// A verb's row says of each option whether the verb takes it: 0 no, 1 it must
// be there, 2 it may, 3 it depends on others (see pairs).
var verbOptions = [verbs]string{
	//             s d r q p t u z e [ ] { } a m i f n g o c b j w l < > ( )
	List:         "22222022000220202222202220022",
	Create:       "33331120000002200220000202022",
	Update:       "22222220000220222222000022200",
	Delete:       "22222220000220222222000220022",
	Get:          "33331000000000020002000020000",
	Flush:        "00000000000000002000000000000",
	Events:       "22222000200220202222222220022",
	Help:         "00002000000000000000000000000",
	ListExpect:   "00000000000000002002000000000",
	CreateExpect: "11221120011110000000000000000",
	DeleteExpect: "11221000000000000000000000000",
	GetExpect:    "11221000000000000000000000000",
	EventsExpect: "00000000000000000002000000000",
	Add:          "33331120000002200220000202022",
}

// check returns what is wrong with the options given to a verb. When the row
// has a 3, one of the pairs must be complete: partial is then the first one of
// which a part is there, 0 when there is none, and -1 says that all is well.
func check(given uint32, row string, names []string, pairs [2]uint32) (partial int, err error) {
	depends := false
	for i, name := range names {
		takes := byte('0')
		if i < len(row) {
			takes = row[i]
		}
		switch has := given&(1<<i) != 0; {
		case !has && takes == '1':
			return 0, usagef("You need to supply the `--%s' option for this command", name)
		case has && takes == '0':
			return 0, usagef("Illegal option `--%s' with this command", name)
		case takes == '3':
			depends = true
		}
	}
	if !depends {
		return -1, nil
	}
	partial = -1
	for i, pair := range pairs {
		switch {
		case given&pair == pair:
			return -1, nil
		case given&pair != 0 && partial < 0:
			partial = i
		}
	}
	return max(partial, 0), nil
}

// shortOptions is the tool's, as getopt reads it.
const shortOptions = "L::I::U::D::G::E::F::A::hVs:d:r:q:p:t:u:e:a:z[:]:{:}:m:i:f:o:n::g::c:b:C::Sj::w:l:<:>::(:):"

// longOptions are the tool's; each has the letter of its short form as value.
var longOptions = getopt.List(`
dump?L create?I add?A delete?D update?U get?G flush?F event?E counter?C stats.S version.V help.h
orig-src=s src=s orig-dst=d dst=d reply-src=r reply-dst=q protonum=p timeout=t status=u zero.z
event-mask=e tuple-src=[ tuple-dst=] mask-src={ mask-dst=} nat-range=a mark=m secmark=c id?i family=f
src-nat?n dst-nat?g output=o buffer-size=b any-nat?j zone=w label=l label-add=< label-del?> orig-zone=(
reply-zone=)`)

// verbLetters maps an option that is a verb to what it does with connections
// and with expectations; None: it does not.
var verbLetters = map[int][2]Verb{
	'L': {List, ListExpect}, 'I': {Create, CreateExpect}, 'D': {Delete, DeleteExpect}, 'G': {Get, GetExpect},
	'F': {Flush, FlushExpect}, 'E': {Events, EventsExpect}, 'V': {Version, Version}, 'h': {Help, Help},
	'C': {Count, CountExpect}, 'S': {Stats, StatsExpect}, 'U': {Update, None}, 'A': {Add, None},
}
