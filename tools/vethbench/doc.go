// Package main measures the box against the kernel over veth and AF_XDP on two
// CPUs: the generator and the kernel's receive path on one, the router's work,
// transmit and the sink on the other.
//
// # Terms
//
// A contender is one thing that forwards: the kernel with nftables and
// conntrack, `sluice run` with the same rules, either with masquerade, the
// kernel without rules, dpdk-testpmd. A world is a contender with namespaces of
// its own (generator c0 - r0 router r1 - s0 sink). All worlds of one number of
// flows exist at once; programs of those that wait are stopped. A round measures
// one world for a while; rounds of the worlds alternate, each time from another
// first one, and ratios are between rounds of the same number.
//
// # Method
//
// The generator is an XDP program that the kernel runs on live frames
// (BPF_PROG_TEST_RUN) and that writes 60-byte UDP frames of many flows. One
// system call makes all frames of a round. It makes more than anybody can
// forward: what counts is what arrives at the sink. Every flow is established
// first, by one slow packet and its answer. A sample of packets is inspected
// behind the contender. The kernel forwards in a NAPI thread of r0.
//
// The default sink is a netdev chain that drops. An XDP program on s0 instead
// (-sink xdp) makes the kernel copy each frame that came from an AF_XDP socket
// once more, but not those that it forwards itself.
//
// CPU time is that of the thread that forwards and of its CPU's softirq thread.
// On veth the copy from sender to AF_XDP socket is made on the sender's CPU and
// is not in it; the receive path of the kernel's contenders is.
//
// # Results
//
// Rates are printed and never judged. The exit status is 1 when a contender
// forwarded wrongly: too few or changed packets at a low rate, or counts that do
// not add up; 2 when nothing could be measured.
//
// # Ownership, concurrency, limits
//
// Namespaces are made here and removed at the end, and those of a killed run at
// the next start. nf_conntrack_max and nr_hugepages are raised when needed and put
// back, and this login's work gets priority meanwhile. One goroutine; the generator has a thread that ends with each call. Needs
// root, nft, ip, ethtool and taskset. Anything else that runs on the two CPUs
// disturbs: the load is printed.
//
// Files in reading order: main.go, contender.go, world.go, establish.go,
// generator.go, xdp.go, round.go, report.go.
package main
