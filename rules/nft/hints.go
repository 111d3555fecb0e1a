package nft

import "fmt"

// nearer finds the name most like a wanted one. It measures as nft does, so that the
// same names are hinted at: letters are compared from the second on, and the end
// counts as one.
type nearer struct {
	wanted string
	least  int // smallest distance so far
	name   string
}

func nearTo(wanted string) *nearer { return &nearer{wanted: wanted, least: maxHinted + 1} }

// maxHinted is the longest name that is compared.
const maxHinted = 256

// see tells whether a name is close, and more so than those seen before.
func (n *nearer) see(name string) bool {
	long, short := max(len(name), len(n.wanted)), min(len(name), len(n.wanted))
	if long <= 1 || long > maxHinted {
		return false
	}
	limit := (long + 4) / 3
	if long-short <= 1 {
		limit = (long + 2) / 3
	}
	d := hintDistance(name, n.wanted)
	if d > limit || d >= n.least {
		return false
	}
	n.least, n.name = d, name
	return true
}

// hintDistance counts the letters to insert, delete, replace or swap.
func hintDistance(a, b string) int {
	at := func(s string, i int) byte {
		if i < len(s) {
			return s[i]
		}
		return 0
	}
	if len(a) == 0 || len(b) == 0 {
		return len(a) + len(b)
	}
	wide := len(b) // rows overlap by one
	d := make([]int, (len(a)+1)*(len(b)+1))
	for i := range len(a) + 1 {
		d[i*wide] = i
	}
	for j := range len(b) + 1 {
		d[j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if at(a, i) == at(b, j) {
				cost = 0
			}
			v := min(d[(i-1)*wide+j]+1, d[i*wide+j-1]+1, d[(i-1)*wide+j-1]+cost)
			if i > 1 && j > 1 && at(a, i) == at(b, j-1) && at(a, i-1) == at(b, j) {
				v = min(v, d[(i-2)*wide+j-2]+cost)
			}
			d[i*wide+j] = v
		}
	}
	return d[len(a)*wide+len(b)]
}

// hintDefined is the end of an error about a variable that is not defined.
func hintDefined(name string, names []string) string {
	n := nearTo(name)
	for _, s := range names {
		n.see(s)
	}
	if n.name == "" {
		return ""
	}
	return "; did you mean identifier ‘" + n.name + "’?"
}

// nearIn finds the table that has the name most like a wanted one; nil: none is close.
func (c *checker) nearIn(wanted string, names func(*Table) []string) (t *Table, name string) {
	n := nearTo(wanted)
	for _, x := range c.rs.Tables {
		for _, s := range names(x) {
			if n.see(s) {
				t = x
			}
		}
	}
	return t, n.name
}

func tableName(t *Table) []string { return []string{t.Name} }

func chainNames(t *Table) []string {
	var out []string
	for ch := range t.named() {
		out = append(out, ch.Name)
	}
	return out
}

func setNames(t *Table) []string { return namesOf(t.Sets, func(x *Set) string { return x.Name }) }

func objectNames(t *Table) []string {
	return namesOf(t.Objects, func(x *Object) string { return x.Name })
}

func namesOf[T any](list []T, name func(T) string) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = name(x)
	}
	return out
}

// hint words nft's hint at a thing in a table; "" when there is none.
func (c *checker) hint(kind, wanted string, names func(*Table) []string) string {
	t, name := c.nearIn(wanted, names)
	if t == nil {
		return ""
	}
	return fmt.Sprintf("%s; did you mean %s ‘%s’ in table %s ‘%s’?", noEntry, kind, name, familyName(t.Family), t.Name)
}

// hintSet is hint for a set or map.
func (c *checker) hintSet(wanted string) string {
	t, name := c.nearIn(wanted, setNames)
	if t == nil {
		return ""
	}
	kind := "set"
	if t.set(name).Map {
		kind = "map"
	}
	return c.hint(kind, wanted, setNames)
}

// noTable fails for a table that is not there. nft hints at one with such a name, or,
// where the kernel is the one who misses it, at the table of what is most like the
// thing the command names in it.
func (c *checker) noTable(cmd *command) {
	names, wanted, kernel := tableName, cmd.table.text, cmd.object == "table"
	if cmd.object == "rule" || cmd.verb == "delete" {
		named := map[string]func(*Table) []string{"rule": chainNames, "chain": chainNames, "set": setNames, "map": setNames, "object": objectNames}[cmd.object]
		if named != nil {
			names, wanted, kernel = named, cmd.name.text, true
		}
	}
	if cmd.object == "flowtable" && cmd.verb == "delete" || cmd.verb == "flush" && cmd.object != "set" && cmd.object != "map" {
		names, kernel = func(*Table) []string { return nil }, true
	}
	switch near, _ := c.nearIn(wanted, names); {
	case near != nil:
		c.failToken(&cmd.table, "%s", hintTable(near))
	case kernel:
		c.failToken(&cmd.table, "Could not process rule: %s", noEntry)
	}
	c.failToken(&cmd.table, noEntry)
}

func hintTable(t *Table) string {
	return fmt.Sprintf("%s; did you mean table ‘%s’ in family %s?", noEntry, t.Name, familyName(t.Family))
}
