// Package nfttool is the command line of nft (1.0.6) for a box: its options,
// errors and exit statuses. What the commands mean is rules/nft's business, and
// the box carries them out.
//
// The options are read as getopt_long of the GNU C library reads the tool's;
// those behind a command are refused in the tool's words. Refused by name: -i
// (no shell), -o (the compiler does what it would), -N (no names are asked for
// in the network), -d (the compiler has other things to show). An addition:
// --control PATH.
//
// Terms: the words of the command that are no options are joined by blanks and
// are one script, as with the tool.
//
// Ownership and concurrency: a Runner is for one command line.
//
// Limits: as rules/nft and the control socket have them.
//
// # Files in reading order
//
//   - options.go: the command line
//   - run.go: from start to exit status
//   - usage.go: help
package nfttool
