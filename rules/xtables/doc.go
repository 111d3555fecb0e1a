// Package xtables is x_tables' contract as a Go interface: registries of tables,
// matches and targets, tables that are replaced whole, and functions at hooks. What
// is registered here is carried by the same engine as nft text and dumps of
// iptables: a table becomes chains of the tree, and only rules that use an
// extension call its code.
//
// # Terms
//
//	match      judges a packet: it holds or does not
//	target     does something, and says what becomes of the packet
//	record     a match or target as it is registered: name, revision, family, where
//	           it may stand, and Check, which makes the code for one rule
//	table      built-in chains at hooks with signed priorities, and chains of the user
//	generation goes up by one with every change of a table
//	hook entry a function at a hook, by itself, with a priority
//
// # Registering
//
// A record is found by family, name and revision. A second one of the same three is
// ErrExists; RegisterMatches and RegisterTargets undo what they did when one of
// them fails. Asked for a revision that is not there, the error names the best one
// that is. A table of a name and family that is there already is ErrExists.
//
// # Replacing
//
// Table.Replace says how many rules the caller thinks there are, and which
// generation: when either is wrong it is ErrAgain and nothing has changed. It
// returns the counters of the rules that were replaced, read after the grace
// period, so that no packet is missing from them. Every rule is judged first:
// ErrNoEntry for a match, target or chain that is not there, ErrInvalid for a record
// that may not stand in this table, at a hook that leads here or without the
// protocol it is for, ErrLoop for chains that call each other in a circle.
//
// # Verdicts
//
// ACCEPT, DROP, STOLEN, QUEUE, REPEAT, and inside of tables RETURN and CONTINUE,
// which are rules.Action. Of entries at one hook and with one priority the newest
// comes first. Walk goes on from an entry by its index, as what was queued does when
// somebody has decided about it. QUEUE without anybody to take the packet drops it.
//
// # The code of extensions
//
// It runs on workers, under the contract of rules.Extension: bounded, without
// allocation, and with atomic operations only on what it remembers. A stolen
// packet's frame goes back to its worker; the extension has copied what it wants.
//
// # Ownership and concurrency
//
// A Registry and its tables may be used by any goroutine; changes of what is in
// force are made one at a time. The engine belongs to the caller.
//
// # Limits
//
// Names of 29 bytes for extensions and 32 for tables, 28 for chains, of letters and
// digits as nft takes them. Chains go 16 deep, the built-in one counted. A packet
// that is to go through one built-in chain more than 16 times again is dropped. 1,024
// entries at a hook. IPv4 and IPv6.
//
// Files in reading order: errors.go, registry.go, table.go, build.go, hook.go.
package xtables
