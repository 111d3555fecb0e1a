package dataplane

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/sluice-net/sluice/tools/frame"
)

// TestHeadInPieces: a datagram whose first fragment ends inside the TCP header
// leaves as it came, or is cut anew where Linux has moved the fixed header to the
// front; a rule that writes options moves all of the header. The lengths are those
// that the kernel sends (tools/oracle, rules/half a head in pieces).
func TestHeadInPieces(t *testing.T) {
	const none, write = acceptAll, "table inet t { chain f { type filter hook forward priority 0; ct state new counter; tcp option maxseg size set 1200; }\n}\n"
	for _, row := range []struct {
		rules   string
		options int // bytes of them
		size    int // of the fragments that come
		want    string
	}{
		{none, 4, 24, "[24 24 24 24 8]"},
		{none, 4, 16, "[16 16 16 16 16 16 8]"}, // cut anew, into the same
		{none, 20, 32, "[32 32 32 24]"},
		{write, 4, 16, "[24 8 16 16 16 16 8]"},
		{write, 4, 8, "[24 8 8 8 8 8 8 8 8 8 8]"},
		{write, 20, 24, "[40 8 24 24 24]"},
		{write, 16, 32, "[32 32 32 20]"}, // 36 bytes are no multiple of 8
		{write, 16, 16, "[16 16 16 16 16 16 16 4]"},
		{write, 20, 40, "[40 40 40]"},
	} {
		t.Run(fmt.Sprintf("write %t, options %d, pieces of %d", row.rules == write, row.options, row.size), func(t *testing.T) {
			n := newNet(t, row.rules, 1)
			options := make([]byte, row.options)
			copy(options, []byte{2, 4, 5, 0})
			for i := 4; i < len(options); i++ {
				options[i] = 1
			}
			whole := frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", ID: 7}, frame.TCP{Src: 4000, Dst: 80, Flags: "S", Options: string(options)}, frame.Zeros(80))...)
			for _, f := range frame.Split(whole, row.size, 7) {
				n.lan.put(f)
			}
			n.box.Drain()
			var got []int
			for _, f := range n.wan.take() {
				got = append(got, int(binary.BigEndian.Uint16(f[16:]))-20)
			}
			if fmt.Sprint(got) != row.want {
				t.Errorf("fragments of %v left, want %s", got, row.want)
			}
		})
	}
}
