package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/flowtable"
	. "github.com/sluice-net/sluice/tools/frame"
)

// judge is the kernel: a namespace that forwards between two cables and drops
// what its conntrack calls INVALID. The far ends of the cables are raw sockets.
type judge struct {
	tb     testing.TB
	ends   [2]int // client's, server's
	ct     int    // ctnetlink socket
	buf    []byte
	ethers [2]Ether // for frames from either end
}

// The far ends, and the router's near ones.
var (
	judgeEnd4  = [2]string{"10.77.1.2", "10.77.2.2"}
	judgeEnd6  = [2]string{"fd77:1::2", "fd77:2::2"}
	judgeNear4 = [2]string{"10.77.1.1", "10.77.2.1"}
	judgeNear6 = [2]string{"fd77:1::1", "fd77:2::1"}
)

// newJudge gives the test's goroutine a thread of its own, on one CPU, so that
// frames reach the router in the order in which they are sent.
func newJudge(tb testing.TB) *judge {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("SKIP-PRIVILEGE: needs root")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		tb.Skip("SKIP-PRIVILEGE: needs nft")
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test, its namespaces with it
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		tb.Fatal(err)
	}
	for cpu, found := 0, false; cpu < 1024; cpu++ {
		if found {
			cpus.Clear(cpu)
		}
		found = found || cpus.IsSet(cpu)
	}
	if err := unix.SchedSetaffinity(0, &cpus); err != nil {
		tb.Fatal(err)
	}
	j := &judge{tb: tb, buf: make([]byte, 1<<20)}
	peers, err := netns.New()
	if err != nil {
		tb.Skipf("SKIP-PRIVILEGE: no network namespaces here: %v", err)
	}
	router, err := netns.New()
	j.must(err)
	tb.Cleanup(func() { peers.Close(); router.Close() })
	for i := range 2 {
		near, far := fmt.Sprintf("r%d", i), fmt.Sprintf("p%d", i)
		j.must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: near}, PeerName: far, PeerNamespace: netlink.NsFd(int(peers))}))
		link, err := netlink.LinkByName(near)
		j.must(err)
		for _, text := range []string{judgeNear4[i] + "/24", judgeNear6[i] + "/64"} {
			a, err := netlink.ParseAddr(text)
			j.must(err)
			a.Flags = unix.IFA_F_NODAD
			j.must(netlink.AddrAdd(link, a))
		}
		j.must(netlink.LinkSetUp(link))
		j.ethers[i].Dst = MAC(link.Attrs().HardwareAddr)
	}
	j.must(netns.Set(peers))
	for i := range 2 {
		link, err := netlink.LinkByName(fmt.Sprintf("p%d", i))
		j.must(err)
		j.must(os.WriteFile(fmt.Sprintf("/proc/sys/net/ipv6/conf/p%d/disable_ipv6", i), []byte("1"), 0))
		j.must(netlink.LinkSetUp(link))
		j.ethers[i].Src = MAC(link.Attrs().HardwareAddr)
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(htons(unix.ETH_P_ALL)))
		j.must(err)
		j.ends[i] = fd
		tb.Cleanup(func() { unix.Close(fd) })
		j.must(unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1))
		j.must(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 256<<20))
		j.must(unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: link.Attrs().Index}))
	}
	j.must(netns.Set(router))
	for i := range 2 {
		link, err := netlink.LinkByName(fmt.Sprintf("r%d", i))
		j.must(err)
		for _, text := range []string{judgeEnd4[i], judgeEnd6[i]} {
			ip, err := netlink.ParseIPNet(text + map[bool]string{true: "/128", false: "/32"}[strings.Contains(text, ":")])
			j.must(err)
			mac := j.ethers[i].Src
			j.must(netlink.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, IP: ip.IP, HardwareAddr: mac[:], State: netlink.NUD_PERMANENT}))
		}
	}
	j.sysctl("net/ipv4/ip_forward", "1")
	j.sysctl("net/ipv6/conf/all/forwarding", "1")
	nft := exec.Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader(`table inet judge {
	chain across { type filter hook forward priority 0; ct state invalid counter drop; }
	chain own { type filter hook input priority 0; ct state established accept; }
}`)
	if out, err := nft.CombinedOutput(); err != nil {
		tb.Fatalf("nft: %v\n%s", err, out)
	}
	j.sysctl("net/netfilter/nf_conntrack_acct", "1")
	j.ct, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	j.must(err)
	tb.Cleanup(func() { unix.Close(j.ct) })
	j.must(unix.SetsockoptInt(j.ct, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20))
	return j
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

func (j *judge) must(err error) {
	j.tb.Helper()
	if err != nil {
		j.tb.Fatal(err)
	}
}

// sysctl sets a value of the router.
func (j *judge) sysctl(name, value string) {
	j.tb.Helper()
	j.must(os.WriteFile("/proc/sys/"+name, []byte(value), 0))
}

// send puts a frame on the cable of end side.
func (j *judge) send(side uint8, frame []byte) {
	for {
		_, err := unix.Write(j.ends[side], frame)
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENOBUFS) {
			j.must(err)
			return
		}
	}
}

// arrived calls seen for every frame that reached end side, until the one for
// which seen is true.
func (j *judge) arrived(side uint8, seen func(frame []byte) bool) {
	j.tb.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		n, err := unix.Read(j.ends[side], j.buf)
		if errors.Is(err, unix.EAGAIN) {
			time.Sleep(100 * time.Microsecond)
			continue
		}
		if errors.Is(err, unix.EINTR) {
			continue
		}
		j.must(err)
		if seen(j.buf[:n]) {
			return
		}
	}
	j.tb.Fatalf("the sentinel did not reach end %d", side)
}

// judged is what the kernel says of one flow.
type judged struct {
	orig    flowtable.Tuple
	status  uint32
	timeout uint32 // seconds
	state   uint8
	flags   [2]uint8 // of TCP
	vtag    [2]uint32
	packets [2]uint64
	bytes   [2]uint64
}

// dump lists the kernel's flows.
func (j *judge) dump() (all []judged) {
	j.tb.Helper()
	req := make([]byte, 20)
	ne := binary.NativeEndian
	ne.PutUint32(req, 20)
	ne.PutUint16(req[4:], unix.NFNL_SUBSYS_CTNETLINK<<8|1) // IPCTNL_MSG_CT_GET
	ne.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	j.must(unix.Sendto(j.ct, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	for {
		n, _, err := unix.Recvfrom(j.ct, j.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		j.must(err)
		for b := j.buf[:n]; len(b) >= 16; {
			size := int(ne.Uint32(b))
			switch ne.Uint16(b[4:]) {
			case unix.NLMSG_DONE:
				return all
			case unix.NLMSG_ERROR:
				j.tb.Fatalf("ctnetlink: %v", unix.Errno(-int32(ne.Uint32(b[16:]))))
			}
			all = append(all, readJudged(b[20:size], b[16]))
			b = b[min(len(b), (size+3)&^3):]
		}
	}
}

// attrs calls f for each netlink attribute in b.
func attrs(b []byte, f func(kind uint16, v []byte)) {
	for len(b) >= 4 {
		size := int(binary.NativeEndian.Uint16(b))
		f(binary.NativeEndian.Uint16(b[2:])&0x3fff, b[4:size])
		b = b[min(len(b), (size+3)&^3):]
	}
}

// Numbers are those of enum ctattr_type and its kin
// (include/uapi/linux/netfilter/nfnetlink_conntrack.h).
func readJudged(b []byte, family uint8) (f judged) {
	be := binary.BigEndian
	f.orig.Family = flowtable.FamilyIPv4
	if family == unix.AF_INET6 {
		f.orig.Family = flowtable.FamilyIPv6
	}
	attrs(b, func(kind uint16, v []byte) {
		switch kind {
		case 1:
			attrs(v, func(kind uint16, v []byte) {
				attrs(v, func(part uint16, v []byte) {
					switch {
					case kind == 1 && part&1 == 1: // IPv4 1, 2; IPv6 3, 4
						copy(f.orig.Src[:], v)
					case kind == 1:
						copy(f.orig.Dst[:], v)
					case part == 1:
						f.orig.Proto = v[0]
					case part == 2, part == 4, part == 7: // port, ICMP id, ICMPv6 id
						f.orig.SrcPort = be.Uint16(v)
					case part == 3:
						f.orig.DstPort = be.Uint16(v)
					case part == 5, part == 8:
						f.orig.DstPort |= uint16(v[0]) << 8
					case part == 6, part == 9:
						f.orig.DstPort |= uint16(v[0])
					}
				})
			})
		case 3:
			f.status = be.Uint32(v)
		case 4:
			attrs(v, func(proto uint16, v []byte) {
				attrs(v, func(part uint16, v []byte) {
					switch {
					case part == 1:
						f.state = v[0]
					case proto == 1 && (part == 4 || part == 5):
						f.flags[part-4] = v[0]
					case proto == 3 && (part == 2 || part == 3):
						f.vtag[part-2] = be.Uint32(v)
					}
				})
			})
		case 7:
			f.timeout = be.Uint32(v)
		case 9, 10:
			attrs(v, func(part uint16, v []byte) {
				switch part {
				case 1:
					f.packets[kind-9] = be.Uint64(v)
				case 2:
					f.bytes[kind-9] = be.Uint64(v)
				}
			})
		}
	})
	return f
}
