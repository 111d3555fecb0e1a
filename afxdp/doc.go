// Package afxdp moves bursts of frames between network interfaces and workers.
// A Port is an interface, a Queue one of its receive and transmit queues, a
// UMEM the frame memory of one worker. Pipes are pairs of ports in memory; the
// package pcap has ports over capture files.
//
// Terms: a frame is a chunk of a UMEM that holds one Ethernet frame; a
// descriptor says where and how long it is; a ring carries descriptors from one
// producer to one consumer; a burst is what one Recv or Send moves.
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
// Concurrency: a UMEM and the queues opened on it belong to one goroutine.
// Different queues may run at once, also the two ends of a pipe. Stats may be
// read by anybody. Opening and closing is the control side's; a port must not
// be closed while a queue of it is in use.
//
// Nothing here allocates after Open.
//
// Limits: rings of up to 2^24 descriptors, pipes of up to 256 queues, frames as
// long as MTU, Ethernet header and two VLAN tags unless a pipe is told otherwise.
//
// Files in reading order: port.go, umem.go, ring.go, pipe.go, pipequeue.go,
// steer.go, end.go.
package afxdp
