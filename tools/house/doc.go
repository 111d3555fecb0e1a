// Package house holds the rules of this repository as tests: which package may
// import which, how long a file may be, where unsafe may stand, that a package's
// documentation lists the files that are there, and words that do not belong.
//
// It has no code of its own. `make house` runs it; a failure names file, line
// and rule. To change a rule, change its table in the test.
//
// Concurrency: none. Limits: the rules are read from source text and imports of
// one file at a time; nothing is type-checked.
//
// Files: doc.go, and the tests tree_test.go (walks the repository),
// imports_test.go, files_test.go, docs_test.go, words_test.go.
package house
