package doctor

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane/guard"
	"github.com/sluice-net/sluice/perf/offheap"
)

// Machine is what matters of a machine.
type Machine struct {
	Kernel       string // release
	Capabilities []string
	CapsKnown    bool
	AFXDP        error // why there are no AF_XDP sockets
	MemLock      uint64
	JIT          string // of BPF: 0, 1 or 2; empty: not told
	HugePages    int    // free, of the hugetlb pool
	HugePageKiB  int
	HugeWanted   int // that the frames of a box on the interfaces in question fill; 0: not known
	Workers      int // of that box
	CPUs         int
	ForeignRules []string
	ForeignErr   error
	IPForward    string
	// FilteredBridges are those of this network namespace, if the kernel's inet
	// rules also judge what bridges forward.
	FilteredBridges []string
}

// noLimit is RLIM_INFINITY.
const noLimit = ^uint64(0)

// needed are the capabilities of a box, by number in linux/capability.h.
var needed = []struct {
	name   string
	number uint
}{{"CAP_NET_ADMIN", 12}, {"CAP_NET_RAW", 13}, {"CAP_BPF", 39}}

const capSysAdmin = 21 // stands for CAP_BPF on older kernels and still does

// ReadMachine reads what can be read.
func ReadMachine() Machine {
	m := Machine{CPUs: runtime.NumCPU(), JIT: word("/proc/sys/net/core/bpf_jit_enable"), IPForward: word("/proc/sys/net/ipv4/ip_forward")}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	for line := range strings.Lines(text("/proc/self/status")) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			m.CapsKnown = err == nil
			for _, c := range needed {
				if caps>>c.number&1 == 1 || c.name == "CAP_BPF" && caps>>capSysAdmin&1 == 1 {
					m.Capabilities = append(m.Capabilities, c.name)
				}
			}
		}
	}
	m.HugePages, m.HugePageKiB = offheap.FreeHugePages()
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil {
		m.MemLock = limit.Cur
	}
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if m.AFXDP = err; err == nil {
		_ = unix.Close(fd)
	}
	m.ForeignRules, m.ForeignErr = guard.Foreign()
	m.FilteredBridges = FilteredBridges()
	return m
}

// UnfilterBridges is the command that makes FilteredBridges none.
const UnfilterBridges = "sysctl -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0"

// FilteredBridges lists the bridges of this network namespace if br_netfilter has IP's
// chains judge what they pass on: the guard stops that, since nothing in nftables'
// family inet tells it from what is routed.
func FilteredBridges() (names []string) {
	if word("/proc/sys/net/bridge/bridge-nf-call-iptables") != "1" && word("/proc/sys/net/bridge/bridge-nf-call-ip6tables") != "1" {
		return nil
	}
	links, err := net.Interfaces()
	if err != nil {
		return nil // not told
	}
	for _, l := range links {
		if i, err := afxdp.Inspect(l.Name); err == nil && i.Driver == "bridge" {
			names = append(names, l.Name)
		}
	}
	return names
}

func text(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return "" // not told
	}
	return string(b)
}

func word(path string) string { return strings.TrimSpace(text(path)) }

// Check judges a machine.
func (m *Machine) Check() []Finding {
	f := &findings{about: "machine"}
	m.checkKernel(f)
	m.checkRights(f)
	switch m.JIT {
	case "0":
		f.add(Warning, "sysctl -w net.core.bpf_jit_enable=1", "BPF programs are interpreted: every frame costs more")
	case "":
		f.add(Note, "", "the kernel does not tell whether BPF programs are compiled")
	default:
		f.add(OK, "", "BPF programs are compiled")
	}
	switch {
	case m.HugeWanted > 0 && m.HugePages < m.HugeWanted:
		f.add(Note, fmt.Sprintf("sysctl -w vm.nr_hugepages=%d", m.HugeWanted),
			"%d huge pages are free, frames of %d workers on these interfaces fill %d of %d KiB: what finds too few takes small ones", m.HugePages, m.Workers, m.HugeWanted, m.HugePageKiB)
	default:
		f.add(OK, "", "%d huge pages of %d KiB are free for frames", m.HugePages, m.HugePageKiB)
	}
	if m.CPUs < 2 {
		f.add(Warning, "", "one CPU: the worker and the kernel's share of the work take it from each other")
	} else {
		f.add(OK, "", "%d CPUs: up to %d workers leave one for the rest", m.CPUs, m.CPUs-1)
	}
	switch {
	case m.ForeignErr != nil:
		f.add(Note, "", "other rules of the kernel: %v", m.ForeignErr)
	case len(m.ForeignRules) > 0:
		f.add(Error, "nft delete table FAMILY NAME (or start with --allow-kernel-rules)",
			"the kernel has rules of its own, which would filter local traffic again: %s", strings.Join(m.ForeignRules, "; "))
	default:
		f.add(OK, "", "no other rules of the kernel filter local traffic")
	}
	if len(m.FilteredBridges) > 0 {
		f.add(Warning, UnfilterBridges,
			"the kernel asks its rules about what bridges forward: the guard, which a box leaves, drops that on %s", strings.Join(m.FilteredBridges, ", "))
	}
	if m.IPForward == "0" {
		f.add(Note, "sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
			"the kernel does not forward, so it does not speak as a router either (router flag in neighbour advertisements); the box forwards all the same")
	}
	return f.list
}

func (m *Machine) checkKernel(f *findings) {
	var major, minor int
	n, _ := fmt.Sscanf(m.Kernel, "%d.%d", &major, &minor) // n tells
	version := major*1000 + minor
	switch {
	case n < 2:
		f.add(Note, "", "kernel release %q is not understood", m.Kernel)
	case version < 5*1000+11:
		f.add(Error, "", "kernel %s: 5.11 is needed for AF_XDP with XDP links", m.Kernel)
	case version < 6*1000+6:
		f.add(Warning, "", "kernel %s: the host path needs 6.6; run with --no-host-path, or a newer kernel", m.Kernel)
	case version < 6*1000+17:
		f.add(Note, "", "kernel %s works; from 6.17 on a call sends more than 32 frames in copy mode", m.Kernel)
	default:
		f.add(OK, "", "kernel %s", m.Kernel)
	}
	if m.AFXDP != nil {
		f.add(Error, "", "AF_XDP sockets: %v (CONFIG_XDP_SOCKETS, CAP_NET_RAW)", m.AFXDP)
	} else {
		f.add(OK, "", "AF_XDP sockets can be opened")
	}
}

func (m *Machine) checkRights(f *findings) {
	var missing []string
	for _, c := range needed {
		if !strings.Contains(strings.Join(m.Capabilities, " "), c.name) {
			missing = append(missing, c.name)
		}
	}
	switch {
	case !m.CapsKnown:
		f.add(Note, "", "the kernel does not tell the capabilities of this process")
	case len(missing) > 0:
		f.add(Error, "run as root", "not permitted: %s missing", strings.Join(missing, ", "))
	default:
		f.add(OK, "", "all capabilities that a box needs")
	}
	switch {
	case m.MemLock == noLimit:
		f.add(OK, "", "memory may be locked without limit")
	case m.CapsKnown && len(missing) == 0:
		f.add(OK, "", "memory that may be locked: %d MiB, which does not bind a process with these capabilities (CAP_IPC_LOCK) as root", m.MemLock>>20)
	default:
		f.add(Warning, "ulimit -l unlimited", "no more than %d MiB of memory may be locked: frames of a worker take about 34", m.MemLock>>20)
	}
}
