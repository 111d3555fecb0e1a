package pair

import (
	"fmt"
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

// List returns what `nft list ruleset` prints.
func (k *Kernel) List() (string, error) {
	out, err := k.lab.Command(boxNode, "nft", "list", "ruleset").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("nft list ruleset: %w: %s", err, out)
	}
	return string(out), nil
}

// List prints the rules in force as nft does, with what they have counted and
// remembered.
func (s *Sluice) List() string {
	live := map[*nft.Counter][2]uint64{}
	for _, c := range s.box.Counters() {
		live[c.Counter] = [2]uint64{c.Packets, c.Bytes}
	}
	rs := s.box.Rules()
	var b strings.Builder
	_ = nft.Fprint(&b, rs.Tree, nft.PrintOptions{ // a builder takes everything
		Counters: func(c *nft.Counter) (packets, bytes uint64) { return c.Packets + live[c][0], c.Bytes + live[c][1] },
		Quotas:   rs.QuotaUsed,
		Elements: func(set *nft.Set) []*nft.Element { return rs.Elements(set, s.clock.Nanos()) },
	})
	return b.String()
}
