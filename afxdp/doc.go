// Package afxdp moves bursts of frames between network interfaces and workers.
// A Port is an interface, a Queue one of its receive and transmit queues, a
// UMEM the frame memory of one worker. An Interface is a port of the kernel,
// worked through AF_XDP sockets. Pipes are pairs of ports in memory; the package
// pcap has ports over capture files.
//
// Terms: a frame is a chunk of a UMEM that holds one Ethernet frame; a
// descriptor says where and how long it is; a ring carries descriptors from one
// producer to one consumer; a burst is what one Recv or Send moves. A socket has
// four rings: through the fill ring the kernel gets empty frames, which come
// back full through the RX ring; through the TX ring it gets frames to send,
// which come back through the completion ring.
//
// Ownership of frames: a frame has one owner at any time, which is the free
// list of its UMEM, a ring, or the burst of the worker. Recv takes frames off
// the free list and gives them to the caller; Send takes frames from the caller
// and sees to it that they come back to the free list; what Send does not take
// stays the caller's. FreeFrames plus what the caller holds plus what rings
// hold is therefore always Frames. Pipes copy bytes from the sender's UMEM into
// memory of their own and from there into the receiver's UMEM, as sockets in
// copy mode do: a sent frame is free again when Send returns.
//
// An Interface passes frames by reference: what came in on one queue may be sent
// on any other queue of the same UMEM, also of another interface, and is free
// again some Flush after the kernel has sent it. The UMEM notes which socket the
// kernel has a frame from, so that closing the socket frees them all. All
// sockets of a UMEM are in zero-copy mode or none is, as the kernel wants it; a
// queue that cannot join gets memory of its own and copies, which Info tells and
// the caller need not know. So does every queue of the asavie backend, and every
// queue of an interface whose frames may be longer than a page (MaxSingleMTU): the
// kernel passes them in several pieces.
//
// In ModeAuto a driver that is known not to send rightly in zero-copy mode copies:
// see virtio.go.
//
// What the interface's program does: IPv4 and IPv6 go to the socket of the
// receive queue, or are dropped and counted when it has none; other EtherTypes
// go to the kernel's stack; frames with more than two VLAN tags are dropped. The
// bpf_link that attaches it ends with the process.
//
// Sending by XDP frames (TransmitXDP): the frames of a Send are copied into a map,
// from where test runs of the program make XDP frames of them and redirect these
// into the interface. In copy mode that spares the kernel a packet buffer for each
// frame. They go by bulks of 16, and a program at the kernel's tracepoint says
// how many of each the device took, so that a Send takes what has gone and leaves
// the rest in order. It wants Linux 5.18, one queue, frames within a page and a
// driver that takes redirected frames; a veth does when XDP or GRO is on at its
// other end. What is redirected there arrives on the queue of the sender's CPU.
//
// Errors: what stands in the way of opening is an error that names the command
// which mends it. Later nothing is fatal: a link that goes down or a device that
// vanishes makes wakeups fail, which is counted and shows in Info; traffic goes
// on when the link is back. Check finds what needs a restart.
//
// Concurrency: a UMEM and the queues opened on it belong to one goroutine.
// Different queues may run at once, also the two ends of a pipe. Stats may be
// read by anybody; those of an Interface cost a system call. Opening, attaching
// and closing is the control side's, by one goroutine at a time for one UMEM; a
// port must not be closed while a queue of it is in use. OpenInterface, Open and
// Attach work in the network namespace of the calling thread, which must be the
// same for all three; Check, Info and Close may come from any thread.
//
// Nothing here allocates after Open. Flush makes system calls that do not wait,
// some 15 to 35 microseconds each for a burst in copy mode.
//
// Limits: rings of up to 2^24 descriptors, pipes of up to 256 queues, frames as
// long as MTU, Ethernet header and two VLAN tags unless a pipe is told otherwise.
// Interfaces: rings of 64 to 65536, 1024 queues, 255 sockets per UMEM, frames no
// larger than MaxChunk, no checksum offload: local
// senders on a veth leave checksums unfinished, and descriptors do not say so.
// The asavie backend opens a queue only once in the life of a process.
//
// Files in reading order: port.go, umem.go, ring.go, pipe.go, pipequeue.go,
// steer.go, end.go; then for interfaces options.go, interface.go, room.go, link.go,
// holder.go, program.go, registry.go, socket.go, kernelring.go, counters.go, queue.go,
// bundle.go, live.go, liveprogram.go,
// live_unsafe.go, private.go, asavie.go, poll.go, info.go, features.go, inspect.go,
// selftest.go, silence.go, virtio.go, xdp_unsafe.go.
package afxdp
