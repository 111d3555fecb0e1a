// Package flowtable remembers flows: conntrack's table, cut into one shard for
// each worker.
//
// # Terms
//
// A tuple identifies one direction of a flow: the original one, of the packet
// that began it, or the reply. Without NAT the reply tuple is the inverse of
// the original one. An entry is one flow; its number names it within a shard.
// Ticks are milliseconds in 32 bits that wrap; they are compared by signed
// distance.
//
// # Life of a flow
//
// Track makes an entry for a packet that belongs to none. The entry is
// unconfirmed: it counts, but no lookup finds it. NAT may give it another reply
// tuple (ReplyTaken, ClaimReply). When the packet has passed every hook Confirm
// enters it into the index; when it was dropped Abandon frees it. A confirmed
// flow ends by Delete or End, by its timeout (met in a lookup or by Expire), by early
// drop when the table is full, or by its protocol's tracker. What is left of
// it stays readable until the next Track.
//
// # Ownership and concurrency
//
// A Shard belongs to one worker, which is its only reader and writer. A flow belongs to the worker that Owner names for the hash of
// its original wire tuple. The hash is the same for both directions, so both
// reach that worker by themselves unless NAT changes the reply tuple. Such
// reply tuples stand in the directory, which all workers read and write with
// single atomic words: Track looks there after a miss, and ClaimReply puts
// them there, so that no two workers give out the same one. What became of
// the sources of flows stands in a table of all workers too (KeepSource, Mappings).
//
// Safe from any goroutine: Hash, Owner, Count, Max and SetNAT. New and Close are control-path calls.
//
// Events cost one comparison while nobody listens: a packet's flow is compared
// before and after, and what differs goes into its worker's ring. A flow that
// began before anybody listened has none, as in the kernel.
//
// Expectations stand in a table of all workers too: the first packet of a child
// may reach another worker than its master's. The master's worker owns them;
// another one may only use one up. A child keeps a copy of what it fulfilled,
// and nothing links back to it.
//
// # Index
//
// A bucket is a cache line of eight 16-bit tags and eight entry numbers. A slot
// stands in the bucket its hash names or in one alternative; a lookup reads
// the alternative only when the first bucket says that something of its own is
// there. A flow without NAT has one slot, which answers for both directions,
// any other flow two; one whose tuples are the same has that of its answers. Nothing is chained: when both buckets are full and no
// slot can move the flow is refused (ChainTooLong).
//
// # Limits
//
//	entries          Config.Max in all shards together, at most MaxEntries
//	workers          MaxWorkers
//	index            16 slots for a hash; sized for Max flows with NAT at 4/5 load
//	directory        16 words for a hash; sized for two words of each of Max flows at 3/5 load
//	sources          8 for a hash, what is more is not remembered; room for Max
//	expectations     Config.ExpectMax in all, 16 for a destination (address, port, protocol)
//	events           Config.EventRing of each worker wait; more are counted as lost
//	memory           at most 192 bytes for a flow without NAT, all in; TestMemory measures it
//	timeouts         2^21 s
//	Expire           bounded by its argument; early drop by 8 buckets
//	tallies          MaxTallies; twice Config.Max memberships
//	ending others'   64 wait for their workers, what is more times out
//	GRE keys         4096 words, 16 places for a packet's addresses and call id
//
// A plain flow of another worker that began while SetNAT was off is not seen by
// ReplyTaken.
//
// # Files in reading order
//
//   - tuple.go, tuple_unsafe.go: tuples and their inverses; layout checks
//   - entry.go, probe.go, reason.go: a flow, a packet as the table sees it, why not
//   - config.go, settings.go: settings and their defaults, and their names
//   - table.go, init.go, hash.go: what workers share; how it comes and goes; the keyed hash
//   - index.go, shard.go: buckets and slots; one worker's flows
//   - prefetch.go, prefetch_amd64.go, prefetch_amd64.s, prefetch_generic.go: fetching ahead
//   - track.go: a packet's way through the table
//   - tracker.go, state.go, tcptable.go, tcp.go, tcpwindow.go, tcp_unsafe.go, sctp.go, gre.go: protocols
//   - claim.go, directory.go, source.go: reply tuples, confirming, the shared directory, what sources became
//   - expect.go, expectclaim.go, expectowner.go: announced flows: their table, a new one, what its owner does
//   - helper.go, timeouts.go: helpers, masters and children; timeout policies
//   - seqadj.go: sequence numbers of flows whose payload is changed
//   - extension.go: cold data beside entries
//   - tally.go: counts of live flows
//   - plan.go: what forgets the plans that a flow's packets follow
//   - expire.go: timeouts and early drop
//   - doom.go: flows that another worker ends
//   - edit.go, tool.go, event.go: what changes a flow from outside: rules, tools; events and who reads them
//   - stats.go, flows.go, text.go: counters, listings, the conntrack tool's lines
package flowtable
