// Package pktgen makes load and measures what becomes of it: the engine of the
// command of that name, and of benchmarks.
//
// # Terms
//
// A stream is a series of frames from one port to another, made from a template
// of headers whose fields may vary. A rig is a set of open ports; a run sends
// one load, which is some streams, and counts what arrives. A method is a series
// of runs that looks for something: a throughput, a loss curve.
//
// # Measurement
//
// A signed frame carries its stream, run, number and time of sending at the
// beginning of its payload, under a check word. The receiver checks this, the IP
// header's and the transport's checksum, so that routers and address translation
// may change headers on the way. From it come loss (sent and never received, or
// corrupt), duplicates, reordering as RFC 4737 has it, corruption, and one-way
// latency, since sender and receiver share a clock. Frames of earlier runs are
// told apart. Latency is from when a frame is made to when its burst is taken
// off the receiving ring: to the building of the frames behind it in a burst of
// 64 at most, which takes some 2 microseconds, it is exact. With Port.OneSend
// a burst has as many frames as are due, and at top speed as many as one Send takes.
//
// Sizes count the FCS of 4 bytes, as RFC 2544 does. Frames of 64 bytes hold the
// signature's 18 bytes for UDP and ICMP over IPv4 without VLAN tag.
//
// # Rates
//
// A stream's frame number i is due at i/rate, whatever happened to the one
// before, so the mean is exact; how late bursts left is recorded. A run of d
// seconds sends what is due before its end, rate*d frames. A stream that falls
// more than 10 ms behind gives frames up and says so.
//
// # Ownership and concurrency
//
// Each port has a worker, one goroutine that sends and receives on all its
// queues; one goroutine may step all ports where CPUs are few. A Rig belongs to
// one goroutine. Making and taking frames allocates nothing.
//
// # Limits
//
// 1024 streams, each on one queue, and a port's queues share one CPU. Frames
// without fragments, IP options or extension headers. Time wraps after 18
// minutes under way.
//
// Files in reading order: headers.go, vary.go, size.go, signature.go, stream.go,
// pace.go, replay.go, tracker.go, worker.go, rig.go, run.go, result.go,
// impair.go, method.go.
package pktgen
