package helper

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
)

// tftpHelper expects the server's answers to a request, which come from a port of its
// own choice (RFC 1350). Nothing in the payload names an address.
var tftpHelper = Helper{
	Helper: flowtable.Helper{Name: "tftp", Proto: flowtable.ProtoUDP,
		Classes: []flowtable.ExpectClass{{Name: "tftp", Max: 1, TimeoutSec: 300}}},
	Help: tftpHelp,
}

// tftpRequest says whether b is a read or write request.
func tftpRequest(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	op := binary.BigEndian.Uint16(b)
	return op == 1 || op == 2
}

func tftpHelp(s *Session) Verdict {
	if !tftpRequest(s.Payload) {
		return Accept
	}
	orig, reply := &s.Tuples[flowtable.Original], &s.Tuples[flowtable.Reply]
	x := s.Want(0, flowtable.ProtoUDP, &reply.Src, &reply.Dst, reply.DstPort)
	if s.NAT {
		x.Follow, x.Dir = FollowMaster, flowtable.Original
		x.SavedAddr, x.SavedPort = orig.Src, orig.SrcPort
	}
	return s.expectOnly()
}
