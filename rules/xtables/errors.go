package xtables

import "errors"

// Errors, each what the kernel's number stands for. They come wrapped with what
// they are about.
var (
	ErrExists  = errors.New("exists already")                     // EEXIST
	ErrNoEntry = errors.New("no chain/target/match by that name") // ENOENT
	ErrInvalid = errors.New("invalid argument")                   // EINVAL
	ErrAgain   = errors.New("resource temporarily unavailable")   // EAGAIN: somebody was faster
	ErrLoop    = errors.New("too many levels of symbolic links")  // ELOOP
)
