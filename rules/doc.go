// Package rules turns a checked nftables tree (rules/nft) into a flat image and
// judges packets with it.
//
// # Terms
//
//	tree      what nft.Parse returns: tables, chains, rules, typed values
//	id        number of a rule or of a base chain's policy, from 1, in text order
//	step      a rule's instruction before it is placed (the IR between tree and image)
//	image     64-bit words with a header and sections: heads, instructions, data,
//	          sets, NAT statements, base chains; integers and offsets only
//	block     what a chain or a set brings into an image, wherever its place is there
//	piece     some hundred rules of a chain's block, which an edit elsewhere leaves as it is
//	master    what Compile leaves: blocks and their places, immutable, on the Go heap
//	head      the first test of a rule; the heads of a chain lie side by side
//	body      the rest of a rule's instructions
//	facts     a word with what most rules ask of a packet: protocol, family, ct state
//	run       rules side by side that say something about addresses, ports and
//	          protocol; a classifier (rules/classify) finds the first that may hold
//	gate      the head of a rule in a run
//	node      what an element has in memory that all workers and generations share:
//	          when its time ends, and what its statements remember
//	guard     bits of the facts a packet must have before a rule looks at it
//	poisoned  overwritten in checking mode; drops everything with PoisonedRule
//
// # How a packet is judged
//
// Image.Base gives the base chains of a hook in order; Image.Eval walks one of
// them. The walk scans heads until one holds, runs that rule's body, and goes on
// with the next head where a test of the body fails. Calls keep the next head on a
// stack in Env; there is no recursion. A rule in a run has a gate for a head: there
// the walk goes to the first rule from this one on that the run's classifier names, or
// behind the run. What `ip saddr` or `tcp dport` imply about family and protocol is
// a guard, checked with the head. A field that a packet does not have (ports of an ICMP packet, ct mark
// without an entry) ends the rule, whatever the operator, as nft's break does. Later fragments, which rules
// see where nothing is tracked, have no ports either, but Linux reads single words as if they had.
//
// # Who owns what
//
// Compile and all methods of Ruleset belong to the control side; a Ruleset may
// be shared and is freed by the collector. Ruleset.Copy makes an Image for one
// worker: it lays the master down in off-heap memory, with zeroed counters behind
// it. The worker alone calls Base and Eval. When it has passed a grace period,
// the control side collects the counters, may Poison the image, and frees it.
// A Cache and a pool only change how long Compile takes.
//
// # Limits
//
// Tables of families inet, ip, ip6, netdev and, on a wire, bridge; 15 nested calls as in
// the kernel; keys of 32 words of 64 bits; 8 log statements for a packet (more are
// counted in Env.LogsLost). What cannot mean anything for
// forwarded packets (sockets) is refused by name and with
// the reason; so is NAT in chains of type filter. A packet's priority is 0 when it
// comes and by IPv4's TOS when it is forwarded; later rules see what rules set, and
// nothing queues by it. Ether
// fields are read from the frame as it came, in front of VLAN tags. Of two tags
// chains below IP see what Linux shows them: the inner one is what the frame holds, and no IP.
// Meta iiftype is unknown of what the box itself sends; at postrouting Linux says
// that of the interface it leaves by. Rt nexthop is unknown at input, and that of the
// first path where a route has several.
//
// Files in reading order:
//
//	options.go       Interface, Options, Error
//	extension.go     matches and targets written elsewhere
//	verdict.go       Code, Verdict, Env and what it returns
//	ruleset.go       Ruleset: copies, names of ids, sums of counters
//	compile.go       Compile
//	index.go         the numbers of everything in a tree; loops and depth
//	ports.go         interface names and indices, decided at compile time
//	operand.go       expressions: where in a packet a value lies
//	lower.go         rules to steps
//	lower_match.go   matches: values, intervals and sets to steps
//	expr.go          expressions that take more than one load
//	maps.go          data of maps; what NAT statements take from them
//	objectmap.go     maps to counters, limits and quotas
//	assign.go        statements that set something
//	helper.go        ct helper objects and giving a flow one
//	ctobject.go      ct timeout and ct expectation objects
//	covered.go       which of them a flow's packets all answer alike
//	runs.go          which rules make a run, and what its classifier asks
//	emit.go          steps to heads and bodies, in pieces
//	setbuild.go      elements to hash tables, intervals and lists
//	rangeindex.go    concatenated intervals found by a classifier
//	bulk.go          large sets, which generations share
//	overlay.go       what becomes of one, edit by edit
//	reuse.go         what the ruleset before has of it already
//	touched.go       whose packets it judges otherwise
//	build.go         all of it in parallel
//	place.go         its places in an image, and how that is laid down
//	layout.go        sections, instructions and descriptors of an image
//	link.go          chains below IP: the ingress of ports, bridge tables
//	send.go          dup and fwd
//	image.go         Image: base chains, poison, free
//	image_unsafe.go  typed views of its words
//	eval.go          the walk
//	gate.go          what it does at a run
//	trace.go         what it tells of packets that are traced
//	dyntable.go      the shared memory of a set that changes
//	dynset.go        what such a set is made of, and its first elements
//	dyneval.go       what rules do with it
//	dynlist.go       its elements, listed
//	noded.go         intervals and maps whose elements end and remember
//	store.go         the memory of limits and quotas
//	stateful.go      these themselves
//	conncount.go     ct count
//	synproxy.go      synproxy statements
//	load.go          values that are in no header window
//	loadmore.go      values that few rules ask for
//	registers.go     instructions that few rules have
//	tlv.go           options, extension headers and chunks
//	route.go         what rules ask of the routes
//	chance.go        where random numbers come from
//	numbers.go       numgen and hashes
//	set.go           lookups
//	cache.go         compiled rulesets of earlier generations
//	canon.go         their key: what an image depends on
package rules
