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

// TestQuotasStay: a quota's rule keeps what it has counted whatever becomes of the
// chain's name and of rules that say the same, as in the kernel.
func TestQuotasStay(t *testing.T) {
	store := testStore(t)
	w := newWorkers(t, 1, "table ip t {\n\tchain r {\n\t\tquota over 1000 bytes\n\t\tquota over 1000 bytes\n\t}\n"+
		"\tchain c {\n\t\ttype filter hook forward priority 0;\n\t\tjump r\n\t}\n}\n", store)
	defer func() { w.free(t) }()
	used := func() (n []uint64) {
		for _, c := range w.rs.Tree.Tables[0].Chains {
			for _, r := range c.Rules {
				if q, ok := r.Stmts[0].(*nft.Quota); ok {
					n = append(n, w.rs.QuotaUsed(q))
				}
			}
		}
		return n
	}
	p := pk{src: "10.0.0.2", dst: "10.0.1.1"}.packet(t)
	w.eval(0, p, &Env{Nanos: second})
	one := used()[0]
	for _, row := range []struct {
		text string
		want []uint64
	}{
		{"rename chain ip t r s", []uint64{one, one}},
		{"insert rule ip t s quota over 1000 bytes", []uint64{0, one, one}},
		{"add rule ip t s quota over 1000 bytes", []uint64{0, one, one, 0}},
		{"flush chain ip t s", nil},
		{"add rule ip t s quota over 1000 bytes", []uint64{0}},
	} {
		tree, err := nft.Apply(w.rs.Tree, "f", []byte(row.text), nft.ParseOptions{}, nft.PrintOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rs, err := Compile(tree, Options{Interfaces: testInterfaces, Store: store, Before: w.rs})
		if err != nil {
			t.Fatal(err)
		}
		im, err := rs.Copy()
		if err != nil {
			t.Fatal(err)
		}
		w.free(t)
		w = &workers{rs: rs, images: []*Image{im}}
		if got := used(); one == 0 || !slices.Equal(got, row.want) {
			t.Errorf("%s: quotas have counted %d, want %d", row.text, got, row.want)
		}
	}
}
