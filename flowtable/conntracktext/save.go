package conntracktext

import (
	"math/bits"

	"github.com/sluice-net/sluice/flowtable"
)

// statusWords are the status bits that the save format has words for, by bit.
var statusWords = []struct {
	bit  uint32
	word string
}{
	{flowtable.StatusExpected, "EXPECTED"},
	{flowtable.StatusSeenReply, "SEEN_REPLY"},
	{flowtable.StatusAssured, "ASSURED"},
	{flowtable.StatusFixedTimeout, "FIXED_TIMEOUT"},
}

// AppendSave appends a connection as the command line that makes it anew, as
// `-o save` does; -U or -D for an event.
func AppendSave(b []byte, e *Entry, event Event) []byte {
	switch event {
	case EventUpdate:
		b = append(b, "-U"...)
	case EventDestroy:
		b = append(b, "-D"...)
	default:
		b = append(b, "-A"...)
	}
	if e.Set&HasTimeout != 0 {
		b = appendNumber(b, " -t ", uint64(e.Timeout))
	}
	if e.Set&HasStatus != 0 {
		before := " -u "
		for _, w := range statusWords {
			if e.Status&w.bit != 0 {
				b = append(append(b, before...), w.word...)
				before = ","
			}
		}
		if before != "," {
			b = append(b, " -u UNSET"...)
		}
	}
	for _, z := range []struct {
		set    Fields
		option string
	}{{HasZone, " -w "}, {HasOrigZone, " --orig-zone "}, {HasReplyZone, " --reply-zone "}} {
		if e.Set&z.set != 0 {
			b = appendNumber(b, z.option, uint64(e.Zone))
		}
	}
	b = appendAddress(b, " -s ", &e.Orig, &e.Orig.Src)
	b = appendAddress(b, " -d ", &e.Orig, &e.Orig.Dst)
	src, dst := " -r ", " -q "
	if e.Translates(flowtable.StatusDstNAT) {
		src = " -g "
	}
	if e.Translates(flowtable.StatusSrcNAT) {
		dst = " -n "
	}
	b = appendAddress(b, src, &e.Reply, &e.Reply.Src)
	b = appendAddress(b, dst, &e.Reply, &e.Reply.Dst)
	return e.appendSaveProtocol(b)
}

// Translates reports whether the addresses of the connection are translated as
// the NAT bit says, flowtable.StatusSrcNAT or StatusDstNAT; a translation of
// ports alone does not count.
func (e *Entry) Translates(bit uint32) bool {
	if e.Set&HasStatus != 0 && e.Status&bit == 0 {
		return false
	}
	if bit == flowtable.StatusSrcNAT {
		return e.Reply.Dst != e.Orig.Src
	}
	return e.Reply.Src != e.Orig.Dst
}

func (e *Entry) appendSaveProtocol(b []byte) []byte {
	name := ProtocolName(e.Orig.Proto)
	if name == "unknown" {
		return appendNumber(b, " -p ", uint64(e.Orig.Proto))
	}
	b = append(append(b, " -p "...), name...)
	switch e.Orig.Proto {
	case flowtable.ProtoICMP, flowtable.ProtoICMPv6:
		for _, x := range []struct {
			option string
			value  uint16
		}{{"-type ", e.Orig.DstPort >> 8}, {"-code ", e.Orig.DstPort & 0xff}, {"-id ", e.Orig.SrcPort}} {
			b = append(append(append(b, " --"...), name...), x.option...)
			b = appendNumber(b, "", uint64(x.value))
		}
		return b
	case flowtable.ProtoGRE:
		return e.appendFour(b, " --srckey ", " --dstkey ", " --reply-key-src ", " --reply-key-dst ")
	case protoDCCP: // of which the kernel tells no ports
		return b
	}
	b = e.appendFour(b, " --sport ", " --dport ", " --reply-port-src ", " --reply-port-dst ")
	if e.Set&HasState != 0 {
		b = append(append(b, " --state "...), StateName(e.Orig.Proto, e.State)...)
	}
	if e.Set&HasVTags != 0 {
		b = appendNumber(b, " --orig-vtag ", uint64(bits.ReverseBytes32(e.VTag[flowtable.Original])))
		b = appendNumber(b, " --reply-vtag ", uint64(bits.ReverseBytes32(e.VTag[flowtable.Reply])))
	}
	return b
}

func (e *Entry) appendFour(b []byte, src, dst, replySrc, replyDst string) []byte {
	b = appendNumber(b, src, uint64(e.Orig.SrcPort))
	b = appendNumber(b, dst, uint64(e.Orig.DstPort))
	b = appendNumber(b, replySrc, uint64(e.Reply.SrcPort))
	return appendNumber(b, replyDst, uint64(e.Reply.DstPort))
}
