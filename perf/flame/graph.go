package flame

import (
	"cmp"
	"maps"
	"slices"
)

// Graph is a tree of frames with the samples that passed through each.
type Graph struct {
	Name     string
	Value    int64 // samples in this frame and below
	Self     int64 // of these, those that end here
	children map[string]*Graph
}

// New returns an empty graph; name is what the whole is called.
func New(name string) *Graph { return &Graph{Name: name} }

// Add adds a stack, outermost frame first, that was seen value times.
func (g *Graph) Add(stack []string, value int64) {
	at := g
	at.Value += value
	for _, name := range stack {
		next := at.children[name]
		if next == nil {
			if at.children == nil {
				at.children = map[string]*Graph{}
			}
			next = &Graph{Name: name}
			at.children[name] = next
		}
		at = next
		at.Value += value
	}
	at.Self += value
}

// Children returns the frames called from this one, by name, so that two
// drawings of like profiles look alike.
func (g *Graph) Children() []*Graph {
	return slices.SortedFunc(maps.Values(g.children), func(a, b *Graph) int { return cmp.Compare(a.Name, b.Name) })
}

// Function is a function's share of all samples.
type Function struct {
	Name        string
	Self, Total int64 // samples in itself; in itself and what it calls
}

// Functions returns all functions, those with most samples of their own first.
// A function that calls itself counts once in Total.
func (g *Graph) Functions() []Function {
	sum := map[string]*Function{}
	var walk func(n *Graph, above map[string]bool)
	walk = func(n *Graph, above map[string]bool) {
		for _, c := range n.Children() {
			f := sum[c.Name]
			if f == nil {
				f = &Function{Name: c.Name}
				sum[c.Name] = f
			}
			f.Self += c.Self
			again := above[c.Name]
			if !again {
				f.Total += c.Value
				above[c.Name] = true
			}
			walk(c, above)
			if !again {
				delete(above, c.Name)
			}
		}
	}
	walk(g, map[string]bool{})
	out := make([]Function, 0, len(sum))
	for _, f := range sum {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b Function) int {
		return cmp.Or(cmp.Compare(b.Self, a.Self), cmp.Compare(b.Total, a.Total), cmp.Compare(a.Name, b.Name))
	})
	return out
}
