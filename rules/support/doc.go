// Package support finds out what the rule engine takes: it tries one example of
// everything that the language's tables name, in every family, with the parser,
// the checker and the compiler that rules go through. So it says what the code
// does and cannot fall behind it.
//
// Terms: a row is a selector, statement, object, feature of sets, command or
// family, or a match or target of iptables. A row is supported where an example compiles; known where the language
// takes it and the compiler refuses it, with its reason; and judged by who has
// compared what sluice does with it with what Linux does:
//
//	kernel oracle   packets went through Linux's rules and ours (judged.txt)
//	text only       its text was compared with nft's, not what it does
//
// judged.txt holds the rows that the rulesets of tools/oracle use; a test there
// writes it and fails when it is out of date. No row was judged by the kernel of
// a virtual machine.
//
// Ownership and concurrency: nothing is shared; Matrix may be called by anyone.
//
// Limits: one example stands for a row; what a row allows in full is said by the
// language's own tests.
//
// Files in reading order: matrix.go, probe.go, samples.go, tables.go, names.go, print.go.
package support
