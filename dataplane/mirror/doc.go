// Package mirror follows the kernel's control plane of one network namespace
// by netlink and gives it to the box as whole states, and keeps the neighbours
// that the box uses alive in the kernel.
//
// Terms: a port is an interface of the box, its number the position in the list
// given to New. A state is everything at one moment: addresses, routes,
// neighbours, links. A part is what one dump reads. A hop is an address on the
// link of an interface. A hop in use is a gateway of a route on a port, or an
// address that Resolve asked for within ten minutes. Managed means that the
// kernel itself keeps an entry resolved (NTF_EXT_MANAGED).
//
// How a state is made: the subscription comes before the first dump, so nothing
// falls between. An event of a neighbour is complete and changes the model;
// any other event only says which parts are stale, and these are dumped anew,
// because the kernel does not tell every consequence of a change (IPv4 routes
// of an interface that goes down vanish without a word). So the order of events
// does not matter. Events are waited for until 4 ms pass without one, 30 ms at
// most; apply is called only when the state differs from the last. When the
// kernel drops events (ENOBUFS) everything is dumped anew; after any other
// error of the socket there is a new subscription first. Both are counted.
//
// Routes: the tables local, main and, for IPv4, default, merged to one longest
// match with the answers of three looked at in turn. Of routes with equal
// prefix and metric the first counts, as in the kernel; dead paths are left
// out. Routes to an interface that is no port, or with an encapsulation, are
// Forward with route.NoPort. Left out are IPv6 link-local and multicast
// routes, which no router follows, and routes by type of service or source,
// which are counted. Rules of `ip rule` beside the default ones are not
// followed, counted and logged. 255.255.255.255 is a Broadcast always.
//
// Neighbours: usable ones only (reachable, stale, delay, probe, permanent,
// noarp). The kernel sees no transit, so its entries would age. Gateways are
// made managed at once. What Resolve asks for is asked of the kernel, and made
// managed when it answered; without an answer it is forgotten until the next
// Resolve. Entries in use that turned stale or failed are asked for again
// from here, at most once a second (the kernel itself looks at managed entries
// every five seconds); on kernels before 5.16, which cannot manage, by
// NTF_USE. On a link that just came up the first solicitation is often lost and
// the kernel's next is a second away: next hops without an answer are asked for
// again after 100 ms, and then after twice as long each, for two seconds.
// Permanent and noarp entries are never touched. When Run ends it takes
// the flags away that it set.
//
// Ownership and concurrency: New opens sockets in the namespace of the calling
// thread, later calls may come from any thread. Run has three goroutines: one
// reads events and owns the model but for the neighbours, one keeps neighbours
// (they share these under a lock), and the caller's calls apply. So a slow apply
// stops neither reading nor resolving. Resolve and Stats may be called from
// anywhere, but not from a worker: both lock.
//
// Limits: each change of a route dumps the routes of its family, with pauses of
// twice the time that the last dump took, 2 s at most; a full Internet table
// is followed, but a second or more late. 1024 addresses wait for an answer,
// 4096 answered ones and 4096 gateways are kept; a path's weight is kept to one
// in 256 of its route. Interfaces enslaved to a VRF are not followed. Entries
// that a killed process had made managed stay so until the kernel drops them.
//
// Files in reading order: mirror.go, namespace.go, socket.go, decode.go,
// model.go, follow.go, compute.go, keep.go, ask.go.
package mirror
