// Package rulefuzz makes random rulesets and packets and has the kernel and
// sluice judge them.
//
// # Terms
//
// A case is a ruleset and the packets that it judges. A kind is a type of
// values, a field an expression that has values of a kind. A scope is what the
// matches of a rule have settled about family and protocol. A refusal is a rule
// that one side does not load: it is taken out and counted.
//
// # How packets meet rules
//
// Whatever a rule or a set names is remembered by kind; packets take their
// addresses, ports, lengths, marks and flags from there, and the values beside
// them. Flows repeat in both directions, so that rules see every state.
//
// # What is compared
//
// After each burst the frames that came out, byte by byte. At the end of a case
// the whole listing with counters, quotas, and the elements of sets, and all
// entries of conntrack. So a listing that nft would print otherwise is a
// difference as well.
//
// # Wires
//
// Options.Wire makes cases of tables of family bridge, for a kernel with a bridge
// of two ports and for boxes that are wires. Frames of any kind cross: tagged once
// or twice, ARP, no IP at all, in fragments.
//
// # Dumps
//
// Options.Dump makes dumps of iptables or ip6tables. What is compared of them is what
// iptables-save prints with counters, and entries. Left out are headers that are cut short
// or contradict themselves, for whose sake matches of x_tables drop a packet, connlimit,
// which cleans up once a tick of the kernel's clock, and what goes to the other family.
//
// # Limits
//
// nft 1.0.6 compares fields that lie side by side at once, where the first or the last
// of them stands in the rule; sluice judges in the order of the text. So nothing is
// asked of a header behind a set whose elements count, which would count otherwise.
//
// Rates of limits are so low that nothing comes back while a case is played;
// what time brings about is for tests on the virtual clock. Where rules ask for
// the time of the day a case waits until none of theirs is near. What chance
// decides (numgen random, symhash, meta random, meta cpu) is asked for so that
// any answer gives the same verdict. Left out are expectations, SYN proxies,
// later fragments behind a VLAN tag, and several workers where rules write addresses
// in front of conntrack: what makes two flows one there leaves one with each worker.
// Nothing is rejected on a wire,
// and nothing asked of its name: kernel 6.18 has no such thing here. A Player belongs to the thread of its Kernel. A case is a function of seed and number.
//
// Files in reading order: case.go (rulesets as text, files), values.go, fields.go,
// matches.go, sets.go, statements.go, rulesets.go, dumps.go, dumpmatch.go, packets.go, options.go, odd.go, wire.go, play.go,
// listing.go.
package rulefuzz
