// Package checks prints and counts what programs find that check something in
// the large: a line a check, then how many passed and failed. tools/vm and
// tools/labclients use it; what a check is, and which are wanted, is theirs.
//
// Concurrency: a Result belongs to one goroutine. Bounded leaves a check that
// does not heed its context running, so what such a one touches is lost.
//
// Files in reading order: result.go.
package checks
