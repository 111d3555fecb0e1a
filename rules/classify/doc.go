// Package classify finds the first of many rules that a packet's addresses,
// ports and protocol satisfy, without asking one rule after the other.
//
// # Terms
//
//	key     what a packet shows: two words of addresses, two ports, facts
//	facts   16 bits, the low 8 of them the protocol; what the others mean is the caller's
//	box     the keys a rule may want: four ranges, and bits of the facts
//	id      the place of a box among those that Build was given; the smallest wins
//	lane    a rule in a leaf
//	leaf    16 rules whose boxes lie close together, compared at once
//	row     a bit for each leaf, or for each rule
//	single  a rule with a bit of its own
//	class   the values of a field that have the same row
//	spare   a leaf kept for rules that are put in later
//
// # How a key is looked up
//
// For each field the index knows which leaves have a rule that takes the value: a
// search with 16 bounds a step gives the value's class, the class has a row. The
// leaves in all rows are visited in the order of their first rules, until no
// leaf is left whose first rule comes before the one found. Build clusters the
// rules so that this takes one to three leaves on published filter sets; at the
// worst it is a scan of all rules, 16 at a time. Nothing is stored twice, so an index is
// small (60 bytes a rule) and quick to build whatever the rules look like.
//
// Where lookups would visit more than one leaf again and again, and there are at most
// about a thousand rules, rows have a bit for each rule instead: the first bit in
// all rows is the answer, and no leaf is visited. That takes half the time and more
// room (70 to 110 bytes a rule on published sets, at most 512 KB). Only rules that
// are put in later are in leaves then.
//
// An index is a filter for the rules of packages above: a box may be larger than
// what the rule wants, if the rule is then asked itself and the search goes on
// behind it (First with from).
//
// # Who owns what
//
// Build and Patch are for the control side and give plain words without
// pointers; a copy of them works like the original. Patch leaves what it is given
// as it is. Lookups only read them, do not allocate and may run on any number of
// goroutines. A Scratch belongs to one goroutine.
//
// # Limits
//
// MaxRules boxes. There is assembly for AVX-512 and for AVX2; without either Go code
// does the same.
//
// Files in reading order:
//
//	box.go             Key and Box
//	layout.go          the words of an index
//	layout_unsafe.go   typed views of them
//	bounds.go          where boxes begin and end, sorted
//	extent.go          the box around rules that are clustered
//	cluster.go         which rules share a leaf
//	visits.go          whether that is good enough
//	build.go           which index it is to be
//	fields.go          its searches and tables
//	rows.go            its classes and rows
//	patch.go           an index after edits of the rules
//	lookup.go          Index: First, FirstBurst, and the Go twin of the assembly
//	lookup_amd64.go    which assembly there is
//	lookup_amd64.s     all of it
//	lookup_amd64.h     what AVX-512 and AVX2 have in common
//	lookup512_amd64.h  what is done with AVX-512,
//	lookup256_amd64.h  and with AVX2
//	bodies_amd64.h     the lookups, in these words
//	lookup_generic.go  for other machines
package classify
