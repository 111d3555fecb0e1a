// Rulesbench measures what rules cost that are many, and that change.
//
//   - lookups: how fast the first of many rules is found: our classifier, a linear
//     scan, and dpdk-test-acl (Debian's dpdk-dev) where it is installed, in turns, on
//     the same filter sets in ClassBench's format and the same 65,536 headers drawn
//     from each.
//   - load: files of 1k, 10k and 100k rules, and of sets of 100k and 1M elements,
//     from text to packets judged by them, beside `nft -f` on the kernel, in turns
//     (root).
//   - edits: one rule put into 10,000 or taken out, and one element of a set of a
//     million, with traffic, from the command to the end of the grace period.
//   - swaps: 10,000 rules replaced a thousand times under traffic: packets lost,
//     packets that met two generations, the workers' time for it, and burst times
//     beside those of the same run without swaps.
//   - churn: what edits of elements, routes and neighbours, many a second, cost a
//     worker with a million flows.
//
// Figures of lookups are per second of CPU time, one CPU: other programs on the
// machine take wall time from both sides, and dpdk-test-acl's own figure is of
// wall time. A lookup of dpdk's is what a run with many passes over the trace costs
// more than one with few; its build what a run without a trace costs more than one
// of a single rule.
//
// Files in reading order: main.go, ours.go, dpdk.go, world.go, load.go, edits.go, swaps.go,
// churn.go.
package main
