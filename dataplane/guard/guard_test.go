package guard

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func testConfig() Config {
	return Config{
		Ports: []string{"p0", "p1"}, Untrusted: []string{"p0"},
		Management: []Rule{
			{Proto: "udp", Port: 2201, Source: netip.MustParsePrefix("10.0.0.2/32")},
			{Proto: "udp", Port: 2202},
			{Proto: "tcp", Port: 2203, Source: netip.MustParsePrefix("10.0.0.9/28")}, // host bits are ignored
			{Proto: "udp", Port: 2204, Source: netip.MustParsePrefix("2001:db8::/64")},
		},
	}
}

func install(t *testing.T, cfg Config) {
	t.Helper()
	if err := Install(cfg); err != nil {
		t.Fatal(err)
	}
}

func TestForwardingStops(t *testing.T) {
	w := newWorld(t)
	for _, row := range []struct{ name, from, to string }{
		{"IPv4", "10.0.0.2:0", "10.0.1.2:5000"},
		{"IPv6", "[2001:db8:0::2]:0", "[2001:db8:1::2]:5000"},
	} {
		var c *net.UDPConn
		w.in(w.hosts[1], func() { c = w.listenUDP(row.to) })
		forwarded := func() bool {
			before := w.dropped(forwardChain)
			w.send(w.hosts[0], row.from, row.to)
			return w.arrives(c, forwardChain, before)
		}
		if !forwarded() {
			t.Errorf("%s: not forwarded without a guard", row.name)
		}
		install(t, testConfig())
		// What others accept, and however early, is dropped all the same.
		w.nft("table inet other { chain c { type filter hook forward priority -2000; accept; }; }")
		if forwarded() {
			t.Errorf("%s: forwarded past the guard", row.name)
		}
		if err := Remove(); err != nil {
			t.Fatal(err)
		}
		w.nft("delete table inet other")
		if !forwarded() {
			t.Errorf("%s: not forwarded after Remove", row.name)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestInput(t *testing.T) {
	w := newWorld(t)
	install(t, testConfig())
	// As the host path would mark what comes through the box; the last one is
	// somebody else's mark.
	w.nft(fmt.Sprintf(`table inet marks { chain c { type filter hook prerouting priority -300;
		udp dport 5001 meta mark set 0x%x
		udp dport 5002 meta mark set 0x%x
		udp dport 5003 meta mark set 0x1234
	}; }`, Mark, Mark|0xbeef))
	for _, row := range []struct {
		name     string
		host     int
		from, to string
		want     bool
	}{
		{"new", 0, "10.0.0.2:0", "10.0.0.1:5000", false},
		{"new to the far address", 0, "10.0.0.2:0", "10.0.1.1:5000", false},
		{"new IPv6", 0, "[2001:db8:0::2]:0", "[2001:db8:0::1]:5000", false},
		{"marked", 0, "10.0.0.2:0", "10.0.0.1:5001", true},
		{"marked IPv6", 0, "[2001:db8:0::2]:0", "[2001:db8:0::1]:5001", true},
		{"marked, with other bits", 0, "10.0.0.2:0", "10.0.0.1:5002", true},
		{"another mark", 0, "10.0.0.2:0", "10.0.0.1:5003", false},
		{"trusted port", 1, "10.0.1.2:0", "10.0.1.1:5000", true},
		{"management", 0, "10.0.0.2:0", "10.0.0.1:2201", true},
		{"management, not from there", 0, "10.0.0.3:0", "10.0.0.1:2201", false},
		{"management, from anywhere", 0, "10.0.0.3:0", "10.0.0.1:2202", true},
		{"management, from anywhere, IPv6", 0, "[2001:db8:0::2]:0", "[2001:db8:0::1]:2202", true},
		{"management of the other protocol", 0, "10.0.0.2:0", "10.0.0.1:2203", false},
		{"management IPv6", 0, "[2001:db8:0::2]:0", "[2001:db8:0::1]:2204", true},
		{"management IPv6 only", 0, "10.0.0.2:0", "10.0.0.1:2204", false},
		{"DHCP reply", 0, "10.0.0.2:67", "10.0.0.1:68", true},
		{"DHCP reply, wrong source port", 0, "10.0.0.2:69", "10.0.0.1:68", false},
		{"DHCPv6 reply", 0, "[2001:db8:0::2]:547", "[2001:db8:0::1]:546", true},
		{"DHCPv6 ports on IPv4", 0, "10.0.0.2:547", "10.0.0.1:546", false},
	} {
		c := w.listenUDP(row.to)
		before := w.dropped(closedChain)
		w.send(w.hosts[row.host], row.from, row.to)
		if got := w.arrives(c, closedChain, before); got != row.want {
			t.Errorf("%s: arrived %v", row.name, got)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAnswersComeBack: what the router asks for through an untrusted port.
func TestAnswersComeBack(t *testing.T) {
	w := newWorld(t)
	install(t, testConfig())
	own := w.listenUDP("10.0.0.1:6000")
	defer func() { _ = own.Close() }()
	var far *net.UDPConn
	w.in(w.hosts[0], func() { far = w.listenUDP("10.0.0.2:6001") })
	defer func() { _ = far.Close() }()
	to := netip.MustParseAddrPort("10.0.0.2:6001")
	if _, err := own.WriteToUDPAddrPort([]byte("question"), to); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if err := far.SetReadDeadline(time.Now().Add(patienceLimit)); err != nil {
		t.Fatal(err)
	}
	_, from, err := far.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := far.WriteToUDPAddrPort([]byte("answer"), from); err != nil {
		t.Fatal(err)
	}
	if !w.arrives(own, closedChain, w.dropped(closedChain)) {
		t.Error("the answer was dropped")
	}

	// An ICMP error for what the router sent: nobody listens there.
	refused, err := net.Dial("udp", "10.0.0.2:6002")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = refused.Close() }()
	if _, err := refused.Write([]byte("anyone?")); err != nil {
		t.Fatal(err)
	}
	if err := refused.SetReadDeadline(time.Now().Add(patienceLimit)); err != nil {
		t.Fatal(err)
	}
	if _, err := refused.Read(buf); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("instead of port unreachable: %v", err)
	}
}

func TestPing(t *testing.T) {
	w := newWorld(t)
	install(t, testConfig())
	echo4 := []byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0}
	echo6 := []byte{128, 0, 0, 0, 0, 0, 0, 0} // the kernel fills the checksum in
	for _, row := range []struct {
		name, network, to string
		echo              []byte
		at                int // of the ICMP header in what a raw socket reads
		reply             byte
	}{
		{"IPv4", "ip4:icmp", "10.0.0.1", echo4, 20, 0},
		{"IPv6", "ip6:ipv6-icmp", "2001:db8:0::1", echo6, 0, 129},
	} {
		w.in(w.hosts[0], func() {
			c, err := net.Dial(row.network, row.to)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			if _, err := c.Write(row.echo); err != nil {
				t.Fatal(err)
			}
			if err := c.SetReadDeadline(time.Now().Add(patienceLimit)); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 200)
			for {
				n, err := c.Read(buf)
				if err != nil {
					t.Errorf("%s: no echo reply: %v", row.name, err)
					return
				}
				if n > row.at && buf[row.at] == row.reply {
					return
				}
			}
		})
	}
}

func TestTCPManagement(t *testing.T) {
	w := newWorld(t)
	install(t, testConfig())
	for _, row := range []struct {
		at   string
		want bool
	}{{"10.0.0.1:2203", true}, {"10.0.0.1:2205", false}} {
		l, err := net.Listen("tcp", row.at)
		if err != nil {
			t.Fatal(err)
		}
		before := w.dropped(closedChain)
		w.in(w.hosts[0], func() {
			// A listener answers at once; a drop lets the first try time out.
			wait := patienceLimit
			if !row.want {
				wait = 300 * time.Millisecond
			}
			c, err := net.DialTimeout("tcp", row.at, wait)
			if (err == nil) != row.want {
				t.Errorf("%s: %v", row.at, err)
			}
			if err == nil {
				_ = c.Close()
			}
		})
		if drop := w.dropped(closedChain) > before; drop == row.want {
			t.Errorf("%s: dropped %v", row.at, drop)
		}
		_ = l.Close()
	}
}

func listRuleset(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("nft", "list", "table", "inet", Table).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestInstallTwice(t *testing.T) {
	newWorld(t)
	if there, err := Installed(); there || err != nil {
		t.Errorf("installed %v, %v in a new namespace", there, err)
	}
	if err := Remove(); err != nil {
		t.Errorf("remove nothing: %v", err)
	}
	install(t, testConfig())
	first := listRuleset(t)
	install(t, testConfig())
	if again := listRuleset(t); again != first {
		t.Errorf("first\n%s\nagain\n%s", first, again)
	}
	// Another configuration leaves nothing of the old one.
	install(t, Config{Ports: []string{"p0", "p1"}})
	if text := listRuleset(t); strings.Contains(text, "p0") || strings.Contains(text, "2201") {
		t.Errorf("left over:\n%s", text)
	}
	if there, err := Installed(); !there || err != nil {
		t.Errorf("installed %v, %v", there, err)
	}
	if err := Remove(); err != nil {
		t.Error(err)
	}
	if there, err := Installed(); there || err != nil {
		t.Errorf("installed %v, %v after Remove", there, err)
	}
}

// TestOutlivesKill installs in a child process that kills itself, without a
// chance to clean up.
func TestOutlivesKill(t *testing.T) {
	const child = "GUARD_TEST_CHILD"
	if os.Getenv(child) != "" {
		install(t, testConfig())
		if err := unix.Kill(os.Getpid(), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	newWorld(t)
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestOutlivesKill$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput() // the child starts in this thread's namespace
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Fatalf("the child was not killed: %v\n%s", err, out)
	}
	if there, err := Installed(); !there || err != nil {
		t.Errorf("installed %v, %v after the child was killed", there, err)
	}
}

func TestForeign(t *testing.T) {
	w := newWorld(t)
	install(t, testConfig())
	found, err := Foreign()
	if err != nil || len(found) != 0 {
		t.Fatalf("found %q, %v beside the guard", found, err)
	}
	w.nft(`
		table ip harmless { chain empty { type filter hook input priority 0; }; chain unused { drop; }; }
		table ip mynat { chain out { type nat hook postrouting priority 100; masquerade; }; }
		table ip6 six { chain in { type filter hook input priority 5; policy drop; }; }
		table inet fw { chain transit { type filter hook forward priority 0; ct state established accept; counter drop; }; }
		table inet raw { chain pre { type filter hook prerouting priority -300; accept; }; chain out { type route hook output priority -150; accept; }; }
		table arp a { chain c { type filter hook input priority 0; drop; }; }
		table ip sluice_guard { chain c { type filter hook input priority 0; drop; }; }
	`)
	want := []string{
		"table inet fw, chain transit: type filter hook forward priority 0 policy accept, 2 rules",
		"table inet raw, chain out: type route hook output priority -150 policy accept, 1 rules",
		"table inet raw, chain pre: type filter hook prerouting priority -300 policy accept, 1 rules",
		"table ip mynat, chain out: type nat hook postrouting priority 100 policy accept, 1 rules",
		"table ip sluice_guard, chain c: type filter hook input priority 0 policy accept, 1 rules",
		"table ip6 six, chain in: type filter hook input priority 5 policy drop, 0 rules",
	}
	if found, err = Foreign(); err != nil || !slices.Equal(found, want) {
		t.Errorf("%v\n%s\nwant\n%s", err, strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
}

func TestLegacyLines(t *testing.T) {
	want := []string{
		"iptables-legacy: table nat is loaded (see iptables-legacy -t nat -S)",
		"iptables-legacy: table filter is loaded (see iptables-legacy -t filter -S)",
	}
	if got := legacyLines("iptables-legacy", "nat\nfilter\n"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := legacyLines("iptables-legacy", ""); got != nil {
		t.Errorf("%q of no table", got)
	}
}

func TestValidate(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Config)
		want   string // in the error; empty: none
	}{
		{"good", func(*Config) {}, ""},
		{"nothing at all", func(c *Config) { *c = Config{} }, ""},
		{"untrusted is no port", func(c *Config) { c.Untrusted = []string{"p7"} }, `untrusted "p7" is no port`},
		{"empty name", func(c *Config) { c.Ports = []string{"", "p0"} }, "interface name"},
		{"long name", func(c *Config) { c.Ports = append(c.Ports, "sixteen-letters-") }, "interface name"},
		{"protocol", func(c *Config) { c.Management[0].Proto = "sctp" }, "not tcp or udp"},
		{"port", func(c *Config) { c.Management[1].Port = 0 }, "management rule 1: no port"},
		{"mapped prefix", func(c *Config) { c.Management[0].Source = netip.MustParsePrefix("::ffff:10.0.0.0/104") }, "no IPv4 or IPv6 prefix"},
	} {
		cfg := testConfig()
		row.change(&cfg)
		err := cfg.Validate()
		if (err == nil) != (row.want == "") || (err != nil && !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: %v", row.name, err)
		}
		if row.want != "" && Install(cfg) == nil {
			t.Errorf("%s: installed", row.name)
		}
	}
}
