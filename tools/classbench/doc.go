// Package classbench reads filter sets and traces in ClassBench's formats, for
// tests and benchmarks of classifiers, and draws headers from filter sets.
//
// Rules are `@src/len dst/len lo : hi lo : hi proto/mask flags/mask`, one a line,
// the first that matches counts; the flags are ignored, as everybody does. Traces are
// source, destination, ports and protocol in decimal, whatever follows them. Truth
// files, which are ours, have the number of the first matching rule for each line of
// a trace, -1 for none.
//
// Files in reading order: classbench.go, draw.go.
package classbench
