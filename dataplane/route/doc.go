// Package route answers where a packet goes: longest-prefix match over IPv4
// and IPv6 with equal-cost paths, and the link address of the next hop.
//
// Terms: a route is a prefix with one next hop; routes of equal prefix and
// metric are the paths of one multipath route; a hop is what a lookup gives; a
// neighbour is a next hop's link address, known per port.
//
// The control side calls Build, which sorts routes out with a bart table and
// lays the result out flat: integers and offsets, no pointers. Each worker gets
// its own Copy off the Go heap, because a table that every packet reads should
// lie in memory near its reader; a Shelf keeps the memory of one for the next.
// A change of routes or neighbours is a new Build, published like rules; nothing
// writes to a table afterwards.
//
// Ownership and concurrency: whoever called Copy owns the table and calls Free,
// after which no *Hop or MAC from it may be used. Lookup and Neighbour only read, do not allocate and may run on any number of goroutines
// at once.
//
// The match is a trie that takes 16 address bits at its root and 6 at each
// level below. A node has a 64-bit map of which branches go deeper and one of
// where the answer changes from one branch to the next; counting bits in them
// gives the place in one shared array of nodes or answers. An IPv4 lookup
// touches a root cell and at most three nodes.
//
// Limits: 2^24 hops (each path of a multipath route counts once per different
// set of paths), 65535 paths in one route, 2^31 nodes.
//
// Files in reading order: route.go, table.go, trie.go, neighbour.go.
package route
