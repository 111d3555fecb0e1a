// Package loop has ports in memory that bring the same frames for ever, for tests
// and benchmarks of boxes at work: as many as the box takes, or so many a second,
// of which those are lost that wait in a ring that is full, as on a network card.
//
// Ownership: a queue belongs to the worker that it is opened for; its counts may
// be read, and ports paused, by anyone.
//
// Limits: what is sent is counted and forgotten.
//
// Files: port.go.
package loop
