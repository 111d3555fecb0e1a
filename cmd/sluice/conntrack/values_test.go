package conntrack

import (
	"io"
	"testing"
)

// TestBasesOfNumbers: ports and ICMP's fields are decimal, and end where that
// does; keys of GRE, marks and zones are what C makes of them.
func TestBasesOfNumbers(t *testing.T) {
	for _, row := range []struct {
		line string
		port uint16 // source of the original direction
	}{
		{"-L -p tcp --sport 010", 10}, {"-L -p udp --sport 0x10", 0}, {"-L -p sctp --sport 50x", 50},
		{"-L -p icmp --icmp-id 010", 10}, {"-L -p icmpv6 --icmpv6-id 0x10", 0},
		{"-L -p gre --srckey 010", 8}, {"-L -p gre --srckey 0x10", 16},
	} {
		c, err := Parse(words(row.line), nil, io.Discard)
		if err != nil {
			t.Errorf("%s: %v", row.line, err)
		} else if got := c.Object.Orig.SrcPort; got != row.port {
			t.Errorf("%s: %d, want %d", row.line, got, row.port)
		}
	}
}
