// Package main runs RFC 2544 against `sluice run` and against the kernel with
// the same nftables rules, over veth, and makes one report of both.
//
// # Terms
//
// A subject is what forwards between client and server of a lab: the kernel, or
// the box. Both have a lab of their own at the same time; the one that waits is
// stopped, and they take turns for every frame size, so that what the machine
// does otherwise hits both.
//
// # Method
//
// The generator is perf/pktgen on AF_XDP: one thread on the first CPU sends from
// the client's interface and receives on the server's, the subject has the
// second CPU (the kernel forwards in a NAPI thread there). Flows are UDP over
// IPv4; each is first opened by a frame and its answer, so that it is established
// for connection tracking. Throughput is the highest rate by binary search at
// which the loss is within the tolerance; 0 is what the RFC wants, and on a
// machine that others use hardly any trial then passes at a rate that means
// something, so that the default is a thousandth. The report says which.
//
// # Ownership, concurrency, limits
//
// Namespaces are made here and removed at the end. Rates are printed and never
// judged; the exit status says whether there was something to measure. Needs
// root, nft, ip, ethtool, taskset and two CPUs.
//
// Files in reading order: main.go, subject.go.
package main
