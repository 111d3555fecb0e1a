package rules

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
)

// TestLiveElements runs commands on a set that packets change, under two workers, and
// wants of each what the kernel (6.18, nft 1.0.6) answered to the same.
func TestLiveElements(t *testing.T) {
	const timed, plain = "type ipv4_addr; size 3; flags dynamic,timeout; timeout 1m", "type ipv4_addr; size 3; flags dynamic"
	const two = "10.0.0.2 expires 50000 counter 1\n10.0.0.3 expires 50000 counter 1"
	for _, row := range []struct {
		name, set, text string
		refused         string // or
		want            string // expires without milliseconds that passed: no time passes here
	}{
		{"nothing", timed, "", "", two},
		{"delete one that a packet added", timed, "delete element ip t s { 10.0.0.2 }", "", "10.0.0.3 expires 50000 counter 1"},
		{"delete one that is not there", timed, "delete element ip t s { 10.0.0.9 }", "No such file or directory", two},
		{"delete all, one twice", timed, "delete element ip t s { 10.0.0.2, 10.0.0.2 }", "No such file or directory", two},
		{"flush", timed, "flush set ip t s", "", ""},
		{"flush, then add", timed, "flush set ip t s\nadd element ip t s { 10.0.0.2 }", "", "10.0.0.2 expires 60000"},
		{"add", timed, "add element ip t s { 10.0.0.1 }", "", "10.0.0.1 expires 60000\n" + two},
		{"add one that is there", timed, "add element ip t s { 10.0.0.2 }", "", "10.0.0.2 expires 60000 counter 1\n10.0.0.3 expires 50000 counter 1"},
		{"add one that is there with a timeout", timed, "add element ip t s { 10.0.0.2 timeout 5m }", "", "10.0.0.2 expires 300000 counter 1\n10.0.0.3 expires 50000 counter 1"},
		{"create one that is there", timed, "create element ip t s { 10.0.0.2 }", "File exists", two},
		{"create", timed, "create element ip t s { 10.0.0.1 }", "", "10.0.0.1 expires 60000\n" + two},
		{"more than fit", timed, "add element ip t s { 10.0.0.4, 10.0.0.5 }", "Too many open files in system", two},
		{"as many as fit", timed, "delete element ip t s { 10.0.0.2 }\nadd element ip t s { 10.0.0.4, 10.0.0.5 }", "",
			"10.0.0.3 expires 50000 counter 1\n10.0.0.4 expires 60000\n10.0.0.5 expires 60000"},
		{"add, delete, add", timed, "add element ip t s { 10.0.0.5 }\ndelete element ip t s { 10.0.0.5 }\nadd element ip t s { 10.0.0.5 timeout 3m }", "",
			two + "\n10.0.0.5 expires 180000"},
		{"delete, then add", timed, "delete element ip t s { 10.0.0.2 }\nadd element ip t s { 10.0.0.2 }", "", "10.0.0.2 expires 60000\n10.0.0.3 expires 50000 counter 1"},
		{"another command", timed, "add rule ip t c accept", "", two},
		{"no rule asks for it any more", timed, "flush chain ip t c", "", two},
		{"without times no rule asks for it any more", plain, "flush chain ip t c", "", "10.0.0.2 counter 1\n10.0.0.3 counter 1"},
		{"without times", plain, "delete element ip t s { 10.0.0.3 }\nadd element ip t s { 10.0.0.2, 10.0.0.7 }", "", "10.0.0.2 counter 1\n10.0.0.7"},
	} {
		t.Run(row.name, func(t *testing.T) {
			store := testStore(t)
			add := "add @s { ip saddr counter }"
			if row.set == timed {
				add = "add @s { ip saddr timeout 50s counter }"
			}
			text := strings.Replace(withSet(strings.ReplaceAll(row.set, "; ", "\n"), add+" accept"), "table inet", "table ip", 1)
			w := newWorkers(t, 2, text, store)
			for i, from := range []string{"10.0.0.2", "10.0.0.3"} {
				w.eval(i, pk{src: from, dst: "10.0.1.1"}.packet(t), &Env{Nanos: second})
			}
			elements := func(s *nft.Set) []*nft.Element { return w.rs.Elements(s, second) }
			tree, err := nft.Apply(w.rs.Tree, "f", []byte(row.text), nft.ParseOptions{Elements: elements}, nft.PrintOptions{})
			switch {
			case row.refused != "":
				if err == nil || !strings.Contains(err.Error(), row.refused) {
					t.Fatalf("error %v, want %s", err, row.refused)
				}
			case err != nil:
				t.Fatal(err)
			default:
				rs, err := Compile(tree, Options{Interfaces: testInterfaces, Store: store, Before: w.rs})
				if err != nil {
					t.Fatal(err)
				}
				old := w
				w = &workers{rs: rs}
				for range 2 {
					im, err := rs.Copy()
					if err != nil {
						t.Fatal(err)
					}
					w.images = append(w.images, im)
				}
				old.free(t)
			}
			defer func() { w.free(t) }()
			var want []string
			if row.want != "" {
				want = strings.Split(row.want, "\n")
			}
			if got := w.list(second); !slices.Equal(got, want) {
				t.Errorf("elements\n%s\nwant\n%s", strings.Join(got, "\n"), row.want)
			}
		})
	}
}
