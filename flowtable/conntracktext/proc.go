package conntracktext

import (
	"fmt"
	"strconv"

	"github.com/sluice-net/sluice/flowtable"
)

// AppendProc appends a connection, of which status and mark are known, as
// /proc/net/nf_conntrack has it. now is in
// nanoseconds since 1970.
func AppendProc(b []byte, e *Entry, now int64) []byte {
	b = appendPadded(b, familyName(e.Orig.Family))
	b = appendNumber(b, " ", uint64(e.Orig.Family))
	b = appendPadded(append(b, ' '), procName(e.Orig.Proto))
	b = appendNumber(b, " ", uint64(e.Orig.Proto))
	b = appendNumber(b, " ", uint64(e.Timeout))
	switch {
	case e.Orig.Proto == flowtable.ProtoGRE:
		b = appendNumber(b, " timeout=", uint64(e.GRE[0]))
		b = appendNumber(b, ", stream_timeout=", uint64(e.GRE[1]))
	case e.Set&HasState != 0:
		b = append(append(b, ' '), StateName(e.Orig.Proto, e.State)...)
	}
	b = e.appendDirections(b, appendProcTuple)
	if e.Set&(HasOrigZone|HasReplyZone) == 0 {
		b = appendNumber(b, " zone=", uint64(e.Zone))
	}
	if e.Set&HasStart != 0 {
		b = strconv.AppendInt(append(b, " delta-time="...), max(0, now-e.Start)/nanos, 10)
	}
	return appendNumber(b, " use=", uint64(e.Use)+1) // the reader's own one
}

// procName is the kernel's name of a protocol: that of its tracker.
func procName(proto uint8) string {
	if proto == protoDCCP {
		return "unknown"
	}
	return ProtocolName(proto)
}

// appendProcTuple is AppendTuple with IPv6 addresses written out.
func appendProcTuple(b []byte, tu *flowtable.Tuple) []byte {
	b = appendProcAddress(b, " src=", tu, &tu.Src)
	b = appendProcAddress(b, " dst=", tu, &tu.Dst)
	if tu.Proto == protoDCCP { // it has no tracker
		return b
	}
	return appendEnds(b, tu)
}

func appendProcAddress(b []byte, before string, tu *flowtable.Tuple, a *[16]byte) []byte {
	if tu.Family == flowtable.FamilyIPv4 {
		return appendAddress(b, before, tu, a)
	}
	return append(append(b, before...), tu.Address(a).StringExpanded()...)
}

// AppendProcExpectation appends an expectation as
// /proc/net/nf_conntrack_expect has it; a space follows the flags only.
func AppendProcExpectation(b []byte, x *Expectation) []byte {
	if x.Flags&ExpectPermanent != 0 && x.Timeout == 0 {
		b = append(b, "- "...)
	} else {
		b = append(strconv.AppendUint(b, uint64(x.Timeout), 10), ' ')
	}
	b = appendNumber(b, "l3proto = ", uint64(x.Tuple.Family))
	b = appendNumber(b, " proto=", uint64(x.Tuple.Proto))
	b = appendProcTuple(b, &x.Tuple)
	b = append(b, ' ')
	if x.Flags != 0 {
		b = append(appendExpectFlags(b, "", x.Flags), ' ')
	}
	b = append(b, x.Helper...)
	if x.ClassName != "" {
		b = append(append(b, '/'), x.ClassName...)
	}
	return b
}

// ProcStatHeader is the first line of /proc/net/stat/nf_conntrack.
const ProcStatHeader = "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop " +
	"icmp_error  expect_new expect_create expect_delete search_restart"

// AppendProcStat appends a row of /proc/net/stat/nf_conntrack, a worker in the
// place of a CPU. entries is that of the whole table.
func AppendProcStat(b []byte, entries int, s *flowtable.Stats) []byte {
	return fmt.Appendf(b, "%08x  %08x %08x %08x %08x %08x %08x %08x %08x %08x %08x %08x %08x  %08x %08x %08x %08x",
		uint32(entries), uint32(s.ClashResolve), uint32(s.Found), 0, uint32(s.Invalid), 0, 0, uint32(s.ChainTooLong),
		uint32(s.Insert), uint32(s.InsertFailed), uint32(s.Drop), uint32(s.EarlyDrop), uint32(s.Error),
		uint32(s.ExpectNew), uint32(s.ExpectCreate), uint32(s.ExpectDelete), uint32(s.SearchRestart))
}

// AppendStats appends a row of `conntrack -S`.
func AppendStats(b []byte, worker int, s *flowtable.Stats) []byte {
	return fmt.Appendf(b, "cpu=%-4d\tfound=%d invalid=%d insert=%d insert_failed=%d drop=%d early_drop=%d error=%d "+
		"search_restart=%d clash_resolve=%d chaintoolong=%d ",
		worker, uint32(s.Found), uint32(s.Invalid), uint32(s.Insert), uint32(s.InsertFailed), uint32(s.Drop), uint32(s.EarlyDrop),
		uint32(s.Error), uint32(s.SearchRestart), uint32(s.ClashResolve), uint32(s.ChainTooLong))
}

// AppendExpectStats appends a row of `conntrack -S expect`.
func AppendExpectStats(b []byte, worker int, s *flowtable.Stats) []byte {
	return fmt.Appendf(b, "cpu=%-4d\texpect_new=%d expect_create=%d expect_delete=%d ",
		worker, uint32(s.ExpectNew), uint32(s.ExpectCreate), uint32(s.ExpectDelete))
}
