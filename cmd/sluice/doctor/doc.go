// Package doctor says whether a machine and its interfaces are fit for a box:
// what is fine, what is not, and the command that mends it.
//
// Terms: facts are what was read (Machine, and Interface with what
// afxdp.Inspect tells), findings what is said about them. Reading and judging
// are apart, so judging is tested with made-up facts.
//
// Levels: an Error keeps a box from starting; a Warning costs packets, speed or
// safety; a Note is worth knowing; OK is fine.
//
// Nothing is changed. What cannot be read, for want of privileges or because a
// driver does not tell, is a finding or is left out, never guessed.
//
// Concurrency: functions without state, in the network namespace of the calling
// thread.
//
// Files in reading order: finding.go, machine.go, interface.go.
package doctor
