// Package flame draws flame graphs: where the samples of a CPU profile fell, as
// nested boxes whose width is their share.
//
// Terms: a stack is the call path of a sample, outermost function first; a
// frame is one call in it. A box's own samples are those whose path ends there.
//
// Ownership and concurrency: a Graph belongs to whoever builds it. Control side
// only; it allocates as it likes.
//
// Limits: boxes narrower than a five-thousandth of the whole are not drawn; the
// text says how many samples that leaves out.
//
// Files in reading order: graph.go, html.go.
package flame
