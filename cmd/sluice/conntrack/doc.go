// Package conntrack is the conntrack tool (1.4.7) for a box: its command line,
// its filters, what it prints besides entries, and its exit statuses.
//
// Terms: a Command is one command line, understood; it travels to the box as
// JSON. An Object is what a command line says of a connection, in part or
// whole: the tool uses the same options to describe what to look for and what
// to make. A verb is what to do (-L, -D, ...); a table is what to do it with.
//
// The command line is read as getopt_long of the GNU C library reads the
// tool's: clusters of short options, abbreviated long ones, arguments out of
// order, options of a protocol that exist only behind -p. Numbers are read as
// C reads them: what is no number is 0. The bytes of SCTP's verification tags are
// reversed, as in what -o save prints.
//
// Additions to the tool: --invalid, `-o json` and --control, which cannot be
// abbreviated. Deliberate differences: -U does not need an address or -f (the
// tool's request then names no family, and the kernel refuses it), changes
// entries in zones too (the tool names no zone), and shows every entry it has
// changed (the tool misses some); IPv6 addresses of -n, -g and -j count;
// -m holds although -u comes behind it (the tool then takes the status for the
// mark); -I expect sends the protocol of -p (the tool sends what lay in memory);
// an unknown state of SCTP is an error (the tool crashes); -b says nothing; -h has
// words of its own.
//
// Ownership and concurrency: a Command belongs to its caller; nothing is shared.
//
// Limits: entries have no security marks; -c is read and has no effect.
//
// # Files in reading order
//
//   - command.go: what a command line means
//   - options.go: which options there are and which verbs take them
//   - protocols.go: options of protocols
//   - parse.go, values.go: from arguments to a Command
//   - filter.go, wanted.go: which entries a Command means, and which it makes
//   - usage.go: help and errors
//   - run.go, load.go: a command line, and a file of them, from start to exit status
package conntrack
