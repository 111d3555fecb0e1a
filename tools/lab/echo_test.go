package lab

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func TestReadAnswer(t *testing.T) {
	reply := func(v4 bool, kind byte) []byte {
		b := echo(v4, 0x1234, 7, 16)
		b[0] = kind
		return b
	}
	quote4 := func(dst netip.Addr, ihl int) []byte {
		p := make([]byte, ihl*4)
		p[0] = byte(0x40 | ihl)
		d := dst.As4()
		copy(p[16:], d[:])
		return append([]byte{unreachable4, 13, 0, 0, 0, 0, 0, 0}, append(p, echo(true, 0x1234, 7, 0)...)...)
	}
	quote6 := func(dst netip.Addr, inner []byte) []byte {
		p := make([]byte, 40)
		d := dst.As16()
		copy(p[24:], d[:])
		return append([]byte{tooBig6, 0, 0, 0, 0, 0, 5, 0}, append(p, inner...)...)
	}
	for _, row := range []struct {
		name string
		v4   bool
		b    []byte
		to   netip.Addr
		ok   bool
		want answer
	}{
		{"reply", true, reply(true, echoReply4), Server4, true, answer{seq: 7, reply: true}},
		{"reply, IPv6", false, reply(false, echoReply6), Server6, true, answer{seq: 7, reply: true, kind: echoReply6}},
		{"our own request", true, reply(true, echoRequest4), Server4, false, answer{}},
		{"of the other family", true, reply(false, echoReply6), Server4, false, answer{}},
		{"short", true, reply(true, echoReply4)[:7], Server4, false, answer{}},
		{"empty", false, nil, Server6, false, answer{}},
		{"error", true, quote4(Server4, 5), Server4, true, answer{seq: 7, kind: unreachable4, code: 13}},
		{"error, options", true, quote4(Server4, 7), Server4, true, answer{seq: 7, kind: unreachable4, code: 13}},
		{"error about another address", true, quote4(Client4, 5), Server4, false, answer{}},
		{"error, cut", true, quote4(Server4, 5)[:35], Server4, false, answer{}},
		{"error, IPv6", false, quote6(Server6, echo(false, 0x1234, 7, 0)), Server6, true, answer{seq: 7, kind: tooBig6}},
		{"error, zone", false, quote6(Server6, echo(false, 0x1234, 7, 0)), Server6.WithZone("2"), true, answer{seq: 7, kind: tooBig6}},
		{"error about a reply", false, quote6(Server6, reply(false, echoReply6)), Server6, false, answer{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, ok := readAnswer(row.v4, row.b, 0x1234, row.to)
			if ok != row.ok || ok && got != row.want {
				t.Errorf("%+v, %v; want %+v, %v", got, ok, row.want, row.ok)
			}
			if _, ok := readAnswer(row.v4, row.b, 0x1235, row.to); ok {
				t.Error("taken for the answer to another ping")
			}
		})
	}
}

// TestReadAnswerTakesAnything: no bytes make it panic.
func TestReadAnswerTakesAnything(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		b := make([]byte, r.IntN(80))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if len(b) > 0 {
			b[0] = []byte{0, 1, 2, 3, 11, 129}[r.IntN(6)]
		}
		if _, ok := readAnswer(r.IntN(2) == 0, b, 9, Server6); ok && len(b) < icmpHeaderBytes {
			t.Fatalf("%x is an answer", b)
		}
	}
}

func TestEchoChecksum(t *testing.T) {
	for size := range 70 {
		b := echo(true, 0xfedc, uint16(size), size)
		if len(b) != icmpHeaderBytes+size || checksum(b) != 0 {
			t.Errorf("size %d: %x", size, b)
		}
		if b := echo(false, 1, 2, size); binary.BigEndian.Uint16(b[2:]) != 0 {
			t.Errorf("IPv6, size %d: the checksum is not left to the kernel", size)
		}
	}
}
