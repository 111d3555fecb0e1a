package nft

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestSettleFew changes large sets a few elements at a time, and wants the listing,
// or the refusal, of a set that is settled as a whole.
func TestSettleFew(t *testing.T) {
	for _, row := range []struct {
		name, decl string
		element    func(r *rand.Rand) string
	}{
		{"addresses", "type ipv4_addr", func(r *rand.Rand) string { return fmt.Sprintf("10.0.%d.%d", r.IntN(4), r.IntN(256)) }},
		{"names", "type ifname", func(r *rand.Rand) string { return fmt.Sprintf("%c%c%d", 'a'+r.IntN(26), 'a'+r.IntN(26), r.IntN(3)) }},
		{"marks", "type mark", func(r *rand.Rand) string { return fmt.Sprint(r.IntN(1000) << 8) }},
		{"joined", "type ipv4_addr . inet_service", func(r *rand.Rand) string { return fmt.Sprintf("10.0.0.%d . %d", r.IntN(256), r.IntN(9)) }},
		{"joined ranges", "type ipv4_addr . inet_service; flags interval", func(r *rand.Rand) string {
			from := r.IntN(1000)
			return fmt.Sprintf("10.0.0.%d . %d-%d", r.IntN(256), from, from+r.IntN(9)+1)
		}},
		{"intervals", "type inet_service; flags interval", func(r *rand.Rand) string {
			from := r.IntN(60000)
			return fmt.Sprintf("%d-%d", from, from+r.IntN(5)+1)
		}},
		{"merged intervals", "type inet_service; flags interval; auto-merge", func(r *rand.Rand) string {
			from := r.IntN(6000)
			return fmt.Sprintf("%d-%d", from, from+r.IntN(5)+1)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			seed := rand.Uint64()
			r := rand.New(rand.NewPCG(seed, 1))
			head := fmt.Sprintf("table ip t {\n\tset s { %s; }\n}\n", row.decl)
			rs, err := Parse("f", []byte(head), ParseOptions{})
			if err != nil {
				t.Fatal(err)
			}
			accepted := 0
			for step := range 150 {
				n := 1 + r.IntN([]int{3, 15}[r.IntN(2)])
				if step == 0 {
					n = 300
				}
				var els []string
				for range n {
					els = append(els, row.element(r))
				}
				verb := []string{"add", "add", "create", "delete"}[r.IntN(4)]
				if step == 0 {
					verb = "add"
				}
				if s := rs.Tables[0].Sets[0]; verb == "delete" && s.Elements.Len() > 0 {
					for i := range els {
						els[i] = elementText(s, s.Elements.At(r.IntN(s.Elements.Len())), &PrintOptions{})
					}
				}
				var text strings.Builder
				if verb == "create" || r.IntN(2) == 0 {
					els = []string{strings.Join(els, ", ")}
				}
				for _, e := range els {
					fmt.Fprintf(&text, "%s element ip t s { %s }\n", verb, e)
				}
				few, fewErr := Apply(rs, "g", []byte(text.String()), ParseOptions{}, PrintOptions{})
				// As a whole: the set is written anew, without its elements, before it is
				// filled from the listing.
				all := rs.Tables[0].Sets[0].Elements.List()
				one := *rs.Tables[0].Sets[0]
				one.Elements = Elements{}
				table := *rs.Tables[0]
				table.Sets = []*Set{&one}
				var again strings.Builder
				for _, e := range all {
					fmt.Fprintf(&again, "add element ip t s { %s }\n", elementText(&one, e, &PrintOptions{}))
				}
				whole, wholeErr := Apply(&Ruleset{Tables: []*Table{&table}}, "g", []byte(again.String()+text.String()), ParseOptions{}, PrintOptions{})
				if (fewErr == nil) != (wholeErr == nil) && verb != "create" {
					t.Fatalf("seed %d, step %d, %s: %v, as a whole %v", seed, step, text.String(), fewErr, wholeErr)
				}
				if fewErr != nil || wholeErr != nil {
					continue
				}
				accepted++
				if a, b := handles(t, few), handles(t, whole); a != b {
					t.Fatalf("seed %d, step %d, %s:\n%s\nas a whole\n%s", seed, step, text.String(), a, b)
				}
				for e := range few.Tables[0].Sets[0].Elements.All() {
					if e.at != nil {
						t.Fatal("an element knows its text still")
					}
				}
				rs = few
			}
			if accepted < 20 {
				t.Errorf("seed %d: only %d scripts were accepted", seed, accepted)
			}
		})
	}
}
