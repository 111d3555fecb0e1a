// Package appliance is a running box: it takes over interfaces of this network
// namespace, gives them to a dataplane and keeps the dataplane in step with the
// kernel until it is told to end.
//
// # Order of start
//
// What can be wrong is found out before anything is touched: rules (parsed and
// compiled), privileges, the control socket, other rules of the kernel,
// interfaces. Then come the guard table, host paths, the kernel's addresses,
// routes and neighbours, the dataplane with them and the rules, and only then
// the XDP programs and the workers. A start that fails undoes what it did, the
// guard table too if it was not there before.
//
// # Running
//
// Goroutines beside the workers: one follows the kernel (dataplane/mirror), one
// looks every second at counters and at what may have changed about the
// interfaces, one serves the control socket, and Run itself waits for signals.
//
// # End
//
// The reverse: the control socket and the mirror first, then workers, host
// paths, XDP programs and sockets, the dataplane. The guard table stays unless
// the settings say otherwise, so that nothing is forwarded unfiltered.
//
// # Ownership and concurrency
//
// Run owns everything it opens. Nothing here is on the packet path.
//
// # Limits
//
// The whole process is in one network namespace, and there should be one box in
// it: the guard table is that of the last to start. Interfaces are taken at start:
// one that is made anew under its old name needs a restart, which is logged and
// shown by status. Links, addresses, MTU and MAC may change at any time.
//
// Files in reading order: run.go, start.go, fallback.go, privilege.go, namespace.go,
// channels_unsafe.go,
// follow.go, watch.go, status.go.
package appliance
