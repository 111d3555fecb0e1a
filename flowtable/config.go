package flowtable

import (
	"errors"
	"fmt"
)

// Limits of a Config.
const (
	MaxWorkers = 256     // a directory word holds eight bits of owner
	MaxEntries = 1 << 27 // entry numbers and bucket numbers stay well inside 32 bits
	maxExpect  = 1 << 20
	maxTimeout = 1 << 21 // seconds: in milliseconds still a positive signed 32-bit distance
)

// ErrConfig is wrapped by every error of Config.Validate.
var ErrConfig = errors.New("flow table config")

// Config sets up a Table. Take Default and change what differs.
type Config struct {
	Workers  int       // shards; 1..MaxWorkers
	Buckets  int       // nf_conntrack_buckets: only sizes Max here; 0: from the machine's memory, as the kernel does
	Max      int       // entries in all shards together (nf_conntrack_max); 0: Buckets, or eight times as many if those were given
	HashKey  [2]uint64 // secret of the hash; zero: random
	Timeouts Timeouts
	Loose    bool      // pick up TCP flows in their middle (nf_conntrack_tcp_loose)
	Acct     bool      // count packets and bytes of each flow (nf_conntrack_acct)
	Trackers []Tracker // more protocols, or others in place of the built-in ones

	Helpers   []Helper // number 1 and up
	ExpectMax int      // expectations of all shards together (nf_conntrack_expect_max); 0: from Buckets

	Timestamp  bool        // note when flows begin and end (nf_conntrack_timestamp)
	Events     EventsMode  // nf_conntrack_events
	EventRing  int         // events of each worker that wait to be read; a power of two; 0: 4096
	Extensions []Extension // more cold data beside entries

	// Further settings of the TCP tracker, named as the kernel's nf_conntrack_tcp_*.
	TCPBeLiberal        bool  // only a table cell makes a segment INVALID, not the window
	TCPIgnoreInvalidRST bool  // a reset below the expected sequence number is not INVALID
	TCPMaxRetrans       uint8 // after so many equal ACKs the timeout is TCPMaxRetrans'

	fail func(step string) error // of tests, see builder
}

// Timeouts of the built-in trackers, in seconds, named as the kernel's
// nf_conntrack_*_timeout settings.
type Timeouts struct {
	TCP               [TCPStates]uint32 // by TCPState; TCPNone is not used
	TCPUnacknowledged uint32            // data on the way that nobody acknowledged
	TCPMaxRetrans     uint32            // retransmissions without progress, or a closed window
	UDP, UDPStream    uint32            // UDPLite has the same ones
	ICMP, ICMPv6      uint32
	GRE, GREStream    uint32
	Generic           uint32
	SCTP              [SCTPStates]uint32 // by SCTPState; SCTPNone is not used
}

// Default returns one worker with the kernel's settings.
func Default() Config {
	return Config{
		Workers: 1,
		Loose:   true,
		Events:  EventsAuto,

		TCPMaxRetrans: 3,
		Timeouts: Timeouts{
			TCP: [TCPStates]uint32{
				TCPSynSent: 120, TCPSynRecv: 60, TCPEstablished: 432000, TCPFinWait: 120, TCPCloseWait: 60,
				TCPLastAck: 30, TCPTimeWait: 120, TCPClose: 10, TCPSynSent2: 120,
			},
			TCPUnacknowledged: 300, TCPMaxRetrans: 300,
			UDP: 30, UDPStream: 120, ICMP: 30, ICMPv6: 30, GRE: 30, GREStream: 180, Generic: 600,
			SCTP: [SCTPStates]uint32{
				SCTPClosed: 10, SCTPCookieWait: 3, SCTPCookieEchoed: 3, SCTPEstablished: 210,
				SCTPShutdownSent: 3, SCTPShutdownRecd: 3, SCTPShutdownAckSent: 3, SCTPHeartbeatSent: 30,
			},
		},
	}
}

// Validate says what is wrong with c, wrapping ErrConfig.
func (c Config) Validate() error {
	if c.Workers < 1 || c.Workers > MaxWorkers {
		return fmt.Errorf("%w: workers %d, want 1..%d", ErrConfig, c.Workers, MaxWorkers)
	}
	if c.Buckets < 0 || c.Buckets > MaxEntries/8 {
		return fmt.Errorf("%w: buckets %d, want 0..%d", ErrConfig, c.Buckets, MaxEntries/8)
	}
	if c.Max < 0 || c.Max > MaxEntries {
		return fmt.Errorf("%w: max %d, want 0..%d", ErrConfig, c.Max, MaxEntries)
	}
	if err := checkTimeout("tcp SYN_SENT2", c.Timeouts.TCP[TCPSynSent2]); err != nil {
		return err
	}
	for _, t := range c.TimeoutSettings() {
		if err := checkTimeout(t.Name, t.Seconds); err != nil {
			return err
		}
	}
	for i := range c.Trackers {
		if tr := &c.Trackers[i]; tr.Packet == nil || tr.Name == "" {
			return fmt.Errorf("%w: tracker %d (protocol %d) without name or packet function", ErrConfig, i, tr.Proto)
		}
	}
	if c.ExpectMax < 0 || c.ExpectMax > maxExpect {
		return fmt.Errorf("%w: expect_max %d, want 0..%d", ErrConfig, c.ExpectMax, maxExpect)
	}
	if c.Events > EventsAuto {
		return fmt.Errorf("%w: events %d, want 0..%d", ErrConfig, c.Events, EventsAuto)
	}
	if c.EventRing < 0 || c.EventRing > maxEventRing || c.EventRing&(c.EventRing-1) != 0 {
		return fmt.Errorf("%w: event ring %d, want a power of two up to %d", ErrConfig, c.EventRing, maxEventRing)
	}
	if err := c.checkExtensions(); err != nil {
		return err
	}
	return c.checkHelpers()
}

func checkTimeout(name string, sec uint32) error {
	if sec == 0 || sec > maxTimeout {
		return fmt.Errorf("%w: %s timeout %d s, want 1..%d", ErrConfig, name, sec, maxTimeout)
	}
	return nil
}

// size fills in Buckets, Max and ExpectMax where they are 0, as
// nf_conntrack_init_start does for a machine of so many bytes.
func (c *Config) size(memory uint64) {
	const perPage = 512 // list heads; the table is whole pages
	factor := 8
	if c.Buckets == 0 {
		c.Buckets, factor = defaultBuckets(memory), 1
	}
	c.Buckets = (c.Buckets + perPage - 1) / perPage * perPage
	if c.ExpectMax == 0 {
		c.ExpectMax = max(c.Buckets/256, 1) * 4
	}
	if c.Max == 0 {
		c.Max = c.Buckets * factor
	}
}

// defaultBuckets: one for each 128 KiB of memory, with fixed numbers above 1
// and 4 GiB.
func defaultBuckets(memory uint64) int {
	switch {
	case memory > 4<<30:
		return 262144
	case memory > 1<<30:
		return 65536
	default:
		return max(1024, int(memory/16384/8))
	}
}
