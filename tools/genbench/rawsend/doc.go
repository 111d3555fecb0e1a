// Package main sends frames from an AF_XDP socket as plainly as can be: what
// the kernel allows such a generator on an interface, against which pktgen is
// measured.
//
// Frames of 60 bytes are written once; after that only one byte of the source
// address changes. A burst of descriptors, a system call, the completions: no
// more is done. It runs until it is killed, in copy mode on queue 0, with one
// thread, and counts nothing: the far end's interface does. With -drop it is that
// far end: an XDP program that drops everything.
//
// Files in reading order: main.go, rings_unsafe.go, drop.go.
package main
