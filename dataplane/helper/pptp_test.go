package helper

import (
	"encoding/binary"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
)

// pptpSay builds a control message with up to two words at 12 and 14 and a
// result at 16 (start reply: 14).
func pptpSay(kind uint16, first, second uint16, result byte) string {
	b := make([]byte, pptpSizes[kind])
	binary.BigEndian.PutUint16(b, uint16(len(b)))
	b[3] = 1
	binary.BigEndian.PutUint32(b[4:], 0x1a2b3c4d)
	binary.BigEndian.PutUint16(b[8:], kind)
	if kind == pptpStartReply {
		b[pptpStartResult] = result
		return string(b)
	}
	if len(b) > 16 {
		b[pptpCallResult] = result
		binary.BigEndian.PutUint16(b[14:], second)
	}
	if len(b) > 12 {
		binary.BigEndian.PutUint16(b[12:], first)
	}
	return string(b)
}

func (b *bench) keep(dir uint8, payload, expected string) {
	b.Helper()
	b.demand(dir, payload, payload, expected)
}

func TestPPTPOutgoingCall(t *testing.T) {
	b := newBench(t, "pptp", flowtable.ProtoTCP, false, false, 1723)
	b.keep(orig, pptpSay(pptpOutRequest, 5, 0, 0), "") // no session yet
	b.keep(orig, pptpSay(pptpStartRequest, 0, 0, 0), "")
	b.keep(reply, pptpSay(pptpStartReply, 0, 0, 1), "")
	b.keep(orig, pptpSay(pptpOutRequest, 5, 0, 0), "")
	b.keep(reply, pptpSay(pptpOutReply, 9, 6, 1), "") // about another call
	b.keep(reply, pptpSay(pptpOutReply, 9, 5, 2), "") // failed
	b.keep(orig, pptpSay(pptpOutRequest, 5, 0, 0), "")
	const tunnel = "10.0.0.2:5 > 198.51.100.1:9 class 0\n198.51.100.1:9 > 10.0.0.2:5 class 0"
	b.keep(reply, pptpSay(pptpOutReply, 9, 5, 1), tunnel)
	b.demandKeys(9, 5)
	b.keep(orig, pptpSay(pptpOutRequest, 6, 0, 0), tunnel) // another call: the tunnel goes on until it is connected
	b.demandKeys(9, 5)
	b.keep(reply, pptpSay(pptpOutReply, 10, 6, 1), "") // the keys are those of the call before, which nobody ended
	b.demandKeys(10, 0)
	b.demandKeys(9, 5)
	b.keep(reply, pptpSay(pptpDisconnect, 9, 0, 1), "")
	b.demandKeys(9, 0)
	const second = "10.0.0.2:6 > 198.51.100.1:10 class 0\n198.51.100.1:10 > 10.0.0.2:6 class 0"
	b.keep(orig, pptpSay(pptpOutRequest, 6, 0, 0), "")
	b.keep(reply, pptpSay(pptpOutReply, 10, 6, 1), second)
	b.keep(reply, pptpSay(pptpOutReply, 10, 6, 1), second) // once more
	b.demandKeys(10, 6)
	b.keep(reply, pptpSay(pptpDisconnect, 10, 0, 1), "")
	b.demandKeys(10, 0)
	b.keep(orig, pptpSay(pptpOutRequest, 5, 0, 0), "")
	b.keep(reply, pptpSay(pptpOutReply, 9, 5, 1), tunnel)
	b.keep(orig, pptpSay(pptpSetLinkInfo, 9, 0, 0), tunnel)
	b.keep(reply, pptpSay(pptpDisconnect, 9, 0, 1), "")
	b.keep(orig, pptpSay(pptpOutRequest, 5, 0, 0), "")
	b.keep(reply, pptpSay(pptpOutReply, 9, 5, 1), tunnel)
	b.demandKeys(9, 5)
	for next := uint32(0); ; {
		if next, _ = b.s.Shard.Flush(next, 100); next == 0 {
			break
		}
	}
	b.demandKeys(9, 0)
}

// demandKeys asks for the source key of the client's packets that bear a call id.
func (b *bench) demandKeys(id, want uint16) {
	b.Helper()
	tu := b.s.Tuples[orig]
	tu.Proto, tu.SrcPort, tu.DstPort = flowtable.ProtoGRE, 0, id
	if got := b.table.GREKey(&tu); got != want {
		b.Errorf("packets to call %d have source key %d, want %d", id, got, want)
	}
}

// TestPPTPTunnelEnds: the tunnel's flow goes with its call and with the control
// connection, and no other flow does.
func TestPPTPTunnelEnds(t *testing.T) {
	for _, nat := range []bool{false, true} {
		for _, over := range []bool{false, true} { // the control connection, or the call alone
			b := newBench(t, "pptp", flowtable.ProtoTCP, nat, false, 1723)
			id := uint16(5)
			if nat {
				id = 41000
			}
			b.say(orig, pptpSay(pptpStartRequest, 0, 0, 0))
			b.say(reply, pptpSay(pptpStartReply, 0, 0, 1))
			b.say(orig, pptpSay(pptpOutRequest, 5, 0, 0))
			b.say(reply, pptpSay(pptpOutReply, 9, id, 1))
			begin := func(clientID uint16) uint32 {
				tu, back := b.s.Tuples[orig], b.s.Tuples[reply]
				tu.Proto, tu.SrcPort, tu.DstPort = flowtable.ProtoGRE, clientID, 9
				back.Proto, back.SrcPort, back.DstPort = flowtable.ProtoGRE, 9, clientID
				if nat && clientID == 5 {
					back.DstPort = id
				}
				p := flowtable.Probe{Tuple: tu, Hash: b.table.Hash(&tu), Bytes: 60, Kind: flowtable.KindFlow}
				if b.s.Shard.Track(&p, 1000); !b.s.Shard.ClaimReply(p.Entry, &back) || !b.s.Shard.Confirm(&p, 1000) {
					t.Fatal(p.Reason)
				}
				return p.Entry
			}
			tunnel, other := begin(5), begin(7)
			if over {
				b.s.Shard.Delete(b.s.Entry)
			} else {
				b.say(reply, pptpSay(pptpDisconnect, 9, 0, 1))
			}
			if b.s.Shard.Entry(tunnel).Live() || !b.s.Shard.Entry(other).Live() {
				t.Errorf("NAT %t, control connection over %t: tunnel lives %t, another %t", nat, over, b.s.Shard.Entry(tunnel).Live(), b.s.Shard.Entry(other).Live())
			}
		}
	}
}

func TestPPTPIncomingCall(t *testing.T) {
	b := newBench(t, "pptp", flowtable.ProtoTCP, false, false, 1723)
	b.keep(orig, pptpSay(pptpStartRequest, 0, 0, 0), "")
	b.keep(reply, pptpSay(pptpStartReply, 0, 0, 1), "")
	b.keep(reply, pptpSay(pptpInRequest, 9, 0, 0), "")
	b.keep(orig, pptpSay(pptpInReply, 5, 8, 1), "") // about another call
	b.keep(orig, pptpSay(pptpInReply, 5, 9, 1), "")
	b.keep(reply, pptpSay(pptpInConnected, 5, 0, 0), "10.0.0.2:5 > 198.51.100.1:9 class 0\n198.51.100.1:9 > 10.0.0.2:5 class 0")
}

func TestPPTPTranslated(t *testing.T) {
	const port = 41000 // of the master behind NAT
	b := newBench(t, "pptp", flowtable.ProtoTCP, true, false, 1723)
	b.keep(orig, pptpSay(pptpStartRequest, 0, 0, 0), "")
	b.keep(reply, pptpSay(pptpStartReply, 0, 0, 1), "")
	b.demand(orig, pptpSay(pptpOutRequest, 5, 0, 0), pptpSay(pptpOutRequest, port, 0, 0), "")
	const tunnel = "10.0.0.2:5 > 198.51.100.1:9 class 0 becomes 203.0.113.1:41000 > 198.51.100.1\n" +
		"198.51.100.1:9 > 203.0.113.1:41000 class 0 becomes 198.51.100.1 > 10.0.0.2:5"
	b.demand(reply, pptpSay(pptpOutReply, 9, port, 1), pptpSay(pptpOutReply, 9, 5, 1), tunnel)
	b.demand(reply, pptpSay(pptpSetLinkInfo, port, 0, 0), pptpSay(pptpSetLinkInfo, 5, 0, 0), tunnel)
	b.demand(orig, pptpSay(pptpClearRequest, 5, 0, 0), pptpSay(pptpClearRequest, port, 0, 0), tunnel)
}

func TestPPTPScanRefuses(t *testing.T) {
	good := pptpSay(pptpOutReply, 1, 2, 1)
	for name, bad := range map[string]string{
		"short": good[:31], "empty": "", "management": good[:3] + "\x02" + good[4:], "no cookie": good[:4] + "\x00" + good[5:],
		"unknown": good[:9] + "\x10" + good[10:], "kind 0": good[:9] + "\x00" + good[10:],
	} {
		if pptpScan([]byte(bad), &pptpMessage{}) {
			t.Errorf("%s: taken for a message", name)
		}
	}
	if !pptpScan([]byte(good), &pptpMessage{}) {
		t.Error("a good message was refused")
	}
}
