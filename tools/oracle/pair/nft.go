package pair

import (
	"fmt"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Counter is what a counter statement of a rule has counted.
type Counter struct {
	Chain   string // "table chain"
	Number  int    // of the counter within its chain, from 0
	Packets uint64
	Bytes   uint64
}

func (c Counter) String() string {
	return fmt.Sprintf("%s #%d packets %d bytes %d", c.Chain, c.Number, c.Packets, c.Bytes)
}

// ruleCounters reads the counters of all rules of the namespace in one request.
func (n *netfilter) ruleCounters() ([]Counter, error) {
	bodies, err := n.ask(unix.NFNL_SUBSYS_NFTABLES, unix.NFT_MSG_GETRULE, unix.NFPROTO_UNSPEC, netlink.Dump, nil)
	if err != nil {
		return nil, err
	}
	var all []Counter
	numbers := map[string]int{}
	for _, b := range bodies {
		var table, chain string
		err := each(b, func(kind uint16, v *netlink.AttributeDecoder) {
			switch kind {
			case unix.NFTA_RULE_TABLE:
				table = v.String()
			case unix.NFTA_RULE_CHAIN:
				chain = v.String()
			case unix.NFTA_RULE_EXPRESSIONS:
				inside(v, func(_ uint16, v *netlink.AttributeDecoder) {
					if c, ok := counterOf(v); ok {
						c.Chain = table + " " + chain
						c.Number = numbers[c.Chain]
						numbers[c.Chain]++
						all = append(all, c)
					}
				})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// counterOf reads an expression that may be a counter.
func counterOf(v *netlink.AttributeDecoder) (c Counter, ok bool) {
	inside(v, func(kind uint16, v *netlink.AttributeDecoder) {
		switch kind {
		case unix.NFTA_EXPR_NAME:
			ok = strings.TrimRight(v.String(), "\x00") == "counter"
		case unix.NFTA_EXPR_DATA:
			if !ok {
				return
			}
			inside(v, func(kind uint16, v *netlink.AttributeDecoder) {
				switch kind {
				case unix.NFTA_COUNTER_BYTES:
					c.Bytes = v.Uint64()
				case unix.NFTA_COUNTER_PACKETS:
					c.Packets = v.Uint64()
				}
			})
		}
	})
	return c, ok
}
