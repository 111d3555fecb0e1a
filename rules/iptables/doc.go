// Package iptables is the language of iptables: it reads what iptables-save
// writes, judges it as iptables 1.8.9 and the kernel do, prints it back to the
// letter, and turns it into the tree that nft text becomes too, so that the same
// engine carries it.
//
// A table of iptables is a table of nft of the same name. Each of its rules knows
// the rule it comes from (nft.Rule.Origin), and its base chains count what their
// policies decide; so iptables-save has everything it prints, and `nft list` shows
// the same rules as nft's. A table in which nft has added a rule is no longer one
// of iptables, until a dump replaces it.
//
// # Terms
//
//	dump       text of iptables-save: tables, each from *TABLE to COMMIT
//	extension  a match (-m) or a target (-j): its options, and where it may stand
//	instance   an extension in a rule, with the values of its options
//	place      the hooks that lead to a chain, over all jumps, and its table
//
// # What it takes
//
// Both families and the tables raw, mangle, nat, filter and security; every match
// and target that Debian's iptables 1.8.9 has, and geoip of xtables-addons 3; in a dump all commands that change
// something (-A -I -D -R -C -N -X -P -F -Z -E), and as command lines -L and -S
// too. Numbers, ranges, masks and names are read as the tool reads them, long
// options by any unambiguous beginning.
//
// # Differences from iptables
//
//   - Host names are not looked up; services and protocols have the names of a
//     table in rules/nft.
//   - What the tool takes but prints as another rule is refused, or kept as it was
//     written.
//   - -L shows programs of -m bpf, and the rate of a hashlimit that is measured over
//     an interval, in the words of -S; -v says nothing of a rule that is added.
//   - A packet whose list of -m recent another worker holds for milliseconds, as one
//     does that loses its CPU just then, is dropped.
//   - The database of geoip is read whenever its table changes, by the box.
//   - What names an object that does not exist here is refused: rateest, nfacct,
//     security contexts, control groups. A timeout policy is a ct timeout of nft in
//     the table; there is no other way to make one.
//
// # Errors
//
// An *Error has the place of the word at fault; the message begins with the tool's
// own "line N failed". Restore is all or nothing over the whole dump, where the
// tool commits each table of its own.
//
// # Ownership and concurrency
//
// Nothing is shared but the table of extensions, which init fills, and the lists of
// -m recent: the trees that have one hold it, workers take it for one packet at a
// time, and Script.InForce gives it more room. A Ruleset and what is in it is not
// changed once it has been returned; Restore copies what it changes.
//
// # Limits
//
// 28 bytes in a chain's name, 15 in an interface's, 255 in a comment; 100 addresses
// in a list of -m recent, each with 32 stamps or as many as a rule asks for.
//
// # Files in reading order
//
//   - rule.go: the tree; words.go: a line into words; names.go: names of values
//   - value.go: what options take; extension.go: matches and targets
//   - match_header.go, match_meta.go, match_rate.go, match_conntrack.go,
//     match_recent.go, match_payload.go, match_ip6.go, geoip.go: the matches
//   - target.go, target_mark.go, target_nat.go: the targets
//   - command.go: one command; restore.go: a dump; tables.go: tables and what the
//     kernel checks; save.go: printing
//   - lower.go, lower_match.go, lower_meta.go, lower_target.go, lower_ct.go, lower_alone.go: what rules mean, as nft text
//   - code.go, code_header.go, chunks.go: what no statement of nft stands for, as code for workers
//   - recent.go: the lists of addresses of -m recent
//   - script.go: tables into the tree of the rules in force, and out of it
//   - ipset.go: sets as ipset saves them
//   - translate.go: one command, or a dump, as commands of nft, for people
//   - list.go, show.go, show_rare.go: -L and -S; tool.go: a command line of the tool
package iptables
