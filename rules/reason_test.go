package rules

import (
	"testing"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// TestReasonsAgree: the language has a word for every reason for which a packet
// is invalid, the tracker's own, and for no other.
func TestReasonsAgree(t *testing.T) {
	for r := flowtable.ReasonNone + 1; int(r) < flowtable.Reasons; r++ {
		invalid := r < flowtable.ReasonTCPOvershoot
		n, ok := nft.TypeCTReason.Lookup(r.String())
		if ok != invalid || ok && n != uint64(r) {
			t.Errorf("reason %d, %s: the language has %d, %t", r, r, n, ok)
		}
	}
}
