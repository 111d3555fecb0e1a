// Command vm proves zero-copy AF_XDP on a real driver: `make vm` runs it. It
// boots a recent kernel of Debian's in qemu, without KVM, with two multi-queue
// virtio-net cards, runs `sluice run` on them, and sends traffic through from
// two network namespaces of this machine. One line a case, then how many passed
// and failed. It needs root; where qemu or the kernel cannot be had it says so
// in a line that begins with SKIP and ends with status 0.
//
// Terms: the machine is the virtual one, the box is the sluice in it, the agent
// its first process (package main in init), which does what the cases ask for.
// Client and server are the two namespaces; each has a tap for interface, whose
// other end is a card of the machine:
//
//	client 10.77.1.2 ~ tap ~ eth0 10.77.1.1 [box] 10.77.2.1 eth1 ~ tap ~ 10.77.2.2 server
//
// Cards have four queues. A third card, a vmxnet3 without cable, is there for
// its VLAN offloads.
//
// Cases run in order, and begin by starting the box the way they need it. The
// ledger of a case is the box's account of frames: those of its memory that are
// neither free nor with the kernel nor waiting are lost, and none may be.
//
// Kernel and programs, qemu among them, are fetched with apt, unpacked without
// being installed, and kept in the user's cache folder. All else that is made is
// removed.
//
// Limits: qemu without KVM is slow and says nothing about speed. What virtio-net
// and qemu do not have is not covered: no receive-side hashing that is symmetric,
// no several descriptors a frame.
//
// Not every qemu will do. Before 8.1, code that one CPU writes while another one
// translates from the same page may stay translated as it was, and each start of
// a box writes XDP programs and the kernel's jump to them. With 7.2 the kernel
// stopped at a breakpoint that was long gone from that jump, in each of three
// runs, after 8, 16 and 19 starts; with 10.0 it never did. A card that received
// nothing after one start in some twenty, with nothing lost in any count of the
// box, was seen with 7.2 only; that it ran the program of an earlier box explains
// it, but was not caught in the act. The flag -starts looks for such cards. A
// case that fails shows all rings between tap and box.
//
// Boxes are started in zero-copy mode by name: the kernel's virtio_net is a module,
// takes the header of what it sends in that mode from a wrong address, and so the
// box would rather copy. At that address the machine has no memory, and there zeros
// are read: see header.go. Where it had memory, cards sent nothing as soon as that
// was used for something else, and only then: one case in 27 failed, in one run of many.
//
// Files in reading order: main.go, apt.go, kernel.go, programs.go, modules.go,
// cpio.go, guest.go, world.go, box.go, stream.go, case.go, modes.go, traffic.go,
// local.go, ssh.go, change.go, life.go, soak.go, starts.go, header.go, anatomy.go.
package main
