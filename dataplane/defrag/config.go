package defrag

import (
	"errors"
	"fmt"
)

// ErrConfig is wrapped by what Validate returns.
var ErrConfig = errors.New("defrag config")

// Config sizes a Reassembler.
type Config struct {
	Contexts        int       // datagrams gathered at once
	Frags           int       // fragments parked in all of them; each holds a frame of the UMEM
	FragsPerContext int       // fragments of one datagram
	TimeoutMillis   uint32    // for IPv4, from the first fragment that came (ipfrag_time)
	Timeout6Millis  uint32    // for IPv6 (nf_conntrack_frag6_timeout)
	Key             [2]uint64 // of Hash; must be the same in all workers and secret
}

// Default returns the kernel's timeouts and room for 1024 datagrams. Key is
// left zero, for the caller to fill with random bits.
func Default() Config {
	return Config{Contexts: 1024, Frags: 2048, FragsPerContext: 64, TimeoutMillis: 30_000, Timeout6Millis: 60_000}
}

// Limits of Config's fields.
const (
	maxContexts = 1 << 20
	maxPerCtx   = 8192 // 64 KiB in fragments of 8 bytes
	maxTimeout  = 1 << 30
)

// Validate says what is wrong with c, wrapping ErrConfig.
func (c Config) Validate() error {
	switch {
	case c.Contexts < 1 || c.Contexts > maxContexts:
		return fmt.Errorf("%w: contexts %d, want 1..%d", ErrConfig, c.Contexts, maxContexts)
	case c.FragsPerContext < 2 || c.FragsPerContext > maxPerCtx:
		return fmt.Errorf("%w: fragments per context %d, want 2..%d", ErrConfig, c.FragsPerContext, maxPerCtx)
	case c.Frags < 2 || c.Frags > maxContexts*16:
		return fmt.Errorf("%w: fragments %d, want 2..%d", ErrConfig, c.Frags, maxContexts*16)
	case c.TimeoutMillis < 1 || c.TimeoutMillis > maxTimeout || c.Timeout6Millis < 1 || c.Timeout6Millis > maxTimeout:
		return fmt.Errorf("%w: timeouts %d and %d ms, want 1..%d", ErrConfig, c.TimeoutMillis, c.Timeout6Millis, maxTimeout)
	}
	return nil
}
