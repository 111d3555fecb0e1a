// Package guard keeps the kernel from doing what the box does, when the box is
// not there: a table in the kernel's own nftables, fixed name inet
// sluice_guard, one per network namespace.
//
// Terms: transit is what the kernel would forward. An untrusted port is one
// whose local input is closed but for what came through the box. What came
// through the box carries Mark in its skb mark, set by the host path; no frame
// from a wire has a mark. The management list names the services that stay open
// on untrusted ports.
//
// The table has three chains.
//
//	forward   drops everything, always. The box forwards outside of the kernel, so
//	          whatever comes here got around it. Forwarding sysctls stay on, so
//	          that the kernel's neighbour advertisements keep the router flag.
//	input     sends what arrived on an untrusted port to closed.
//	closed    accepts Mark, established and related, ICMP and ICMPv6 errors and
//	          echo, neighbour and router discovery, MLD, replies to a DHCP
//	          client, the management list; counts and drops the rest.
//
// Both base chains have priority -1000. A drop is final in nftables, so chains
// of others cannot open what is closed here; what is accepted here is still
// theirs to judge, which Foreign finds.
//
// Life cycle: Install replaces the table in one transaction, so that there is
// no moment without it. Nothing ties the table to the process: it outlives
// SIGKILL and goes with Remove or the namespace. Ports are matched by name, also
// when an interface is made anew.
//
// Concurrency: the functions keep no state and act on the network namespace of
// the calling thread. Two Installs at once are two transactions, the last one
// stands.
//
// Limits: established needs the kernel's connection tracking, which starts to
// follow local connections with Install. Bridged frames (family bridge) and
// netdev hooks are not looked at. IGMP is not in the list: while the box is gone,
// group membership on an untrusted port is not renewed. Rules that set marks in
// the upper 16 bits before input would open closed ports and must not be used.
//
// Files in reading order: guard.go, chains.go, foreign.go.
package guard
