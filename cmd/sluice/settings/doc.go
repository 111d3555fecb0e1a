// Package settings is what an operator can choose about a running box: the
// YAML file, its defaults and limits, and what follows from them.
//
// Terms: a setting is a key of the YAML file; most have a flag of `sluice run`
// of the same name with dashes, which wins over the file. Zero means "choose"
// where a comment says so. Conntrack settings have the kernel's sysctl names.
//
// Reading is strict: unknown keys, wrong types and values out of range are
// errors that name file, line and column.
//
// Ownership and concurrency: a Settings belongs to its caller; there is no
// shared state.
//
// Limits: the file is read once, at start; only the rules file it names can be
// read again. One document a file.
//
// Files in reading order: settings.go, read.go, conntrack.go, sizes.go.
package settings
