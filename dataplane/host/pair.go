package host

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrTaken says that a running process has a host path for the interface.
var ErrTaken = errors.New("the host path is in use")

// Names of the pair's ends: a prefix and the index of the real interface, so at
// most 13 of the 15 bytes a name may have.
const (
	boxPrefix    = "slb"
	kernelPrefix = "slk"
)

var pairName = regexp.MustCompile(`^(?:` + boxPrefix + `|` + kernelPrefix + `)([1-9][0-9]*)$`)

// names returns the names of the box end and the kernel end.
func names(ifindex int) (box, kernel string) {
	return boxPrefix + strconv.Itoa(ifindex), kernelPrefix + strconv.Itoa(ifindex)
}

// pair is a veth pair.
type pair struct {
	box, kernel           string
	boxIndex, kernelIndex int
}

// createPair makes the pair for a real interface. It is down, silent and carries
// plain frames only.
func createPair(nlh *netlink.Handle, real *netlink.LinkAttrs, queues int) (p pair, err error) {
	p.box, p.kernel = names(real.Index)
	veth := netlink.NewVeth(netlink.LinkAttrs{
		Name: p.box, MTU: real.MTU, NumTxQueues: queues, NumRxQueues: queues,
	})
	veth.PeerName, veth.PeerMTU = p.kernel, uint32(real.MTU)
	veth.PeerNumTxQueues, veth.PeerNumRxQueues = uint32(queues), uint32(queues)
	if err := nlh.LinkAdd(veth); err != nil {
		return p, fmt.Errorf("create veth pair %s, %s: %w", p.box, p.kernel, mend(err))
	}
	defer func() {
		if err != nil {
			_ = nlh.LinkDel(veth) // the first error is the one to tell
		}
	}()
	for _, end := range []struct {
		name  string
		index *int
		gro   bool
	}{{p.box, &p.boxIndex, false}, {p.kernel, &p.kernelIndex, true}} {
		l, err := nlh.LinkByName(end.name)
		if err != nil {
			return p, fmt.Errorf("veth %s: %w", end.name, err)
		}
		*end.index = l.Attrs().Index
		if err := quiet(nlh, l, real.Name); err != nil {
			return p, fmt.Errorf("veth %s: %w", end.name, err)
		}
		if err := plainFrames(*end.index, end.gro); err != nil {
			return p, fmt.Errorf("veth %s: %w", end.name, err)
		}
	}
	return p, nil
}

// quiet keeps the kernel from speaking by itself through an end: a fresh
// interface would announce its IPv6 addresses and groups.
func quiet(nlh *netlink.Handle, l netlink.Link, real string) error {
	if err := nlh.LinkSetARPOff(l); err != nil {
		return fmt.Errorf("turn ARP off: %w", err)
	}
	if err := nlh.LinkSetAlias(l, "sluice host path of "+real); err != nil {
		return fmt.Errorf("set alias: %w", err)
	}
	conf := "/proc/sys/net/ipv6/conf/" + l.Attrs().Name + "/disable_ipv6"
	err := os.WriteFile(conf, []byte("1"), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6 has no such file
		return fmt.Errorf("turn IPv6 off: %w: /proc/sys must be writable", err)
	}
	return nil
}

// up brings both ends up.
func (p pair) up(nlh *netlink.Handle) error {
	for _, index := range []int{p.kernelIndex, p.boxIndex} {
		l, err := nlh.LinkByIndex(index)
		if err == nil {
			err = nlh.LinkSetUp(l)
		}
		if err != nil {
			return fmt.Errorf("bring veth pair %s, %s up: %w", p.box, p.kernel, err)
		}
	}
	return nil
}

// CleanLeftovers removes what a run that was killed has left for the interface,
// and pairs of interfaces that are gone, in the calling thread's network
// namespace. It returns the names of the box ends removed. A pair in use by a
// running process gives ErrTaken; an interface that has a name of the scheme and
// is no such pair is reported and not touched.
func CleanLeftovers(ifname string) ([]string, error) {
	nlh, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("host path of %s: netlink: %w", ifname, err)
	}
	defer nlh.Close()
	real, err := nlh.LinkByName(ifname)
	if err != nil {
		return nil, fmt.Errorf("host path of %s: %w", ifname, missing(ifname, err))
	}
	removed, err := cleanLeftovers(nlh, real.Attrs().Index)
	if err != nil {
		return removed, fmt.Errorf("host path of %s: %w", ifname, err)
	}
	return removed, nil
}

func cleanLeftovers(nlh *netlink.Handle, ifindex int) (removed []string, err error) {
	links, err := nlh.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	byIndex, byName := map[int]netlink.Link{}, map[string]netlink.Link{}
	for _, l := range links {
		byIndex[l.Attrs().Index], byName[l.Attrs().Name] = l, l
	}
	for _, l := range links {
		m := pairName.FindStringSubmatch(l.Attrs().Name)
		if m == nil {
			continue
		}
		of, err := strconv.Atoi(m[1])
		if err != nil {
			continue // larger than any index
		}
		if of != ifindex && byIndex[of] != nil {
			continue // belongs to another interface, which cleans it itself
		}
		box, kernel := names(of)
		a, b := byName[box], byName[kernel]
		if !isPair(a, b) {
			if of != ifindex {
				continue
			}
			return removed, fmt.Errorf("interface %s bears a name that the host path needs; rename it: ip link set %s down name NEWNAME",
				l.Attrs().Name, l.Attrs().Name)
		}
		if l.Attrs().Name != box {
			continue // the box end's turn removes both
		}
		n, err := attached(b.Attrs().Index, ebpf.AttachTCXIngress)
		if err != nil {
			return removed, fmt.Errorf("ask for programs on %s: %w", kernel, err)
		}
		if n > 0 {
			if of != ifindex {
				continue
			}
			return removed, fmt.Errorf("%w: %s and %s belong to a running process; stop that one first", ErrTaken, box, kernel)
		}
		if err := nlh.LinkDel(a); err != nil {
			return removed, fmt.Errorf("remove left-over %s (ip link del %s): %w", box, box, mend(err))
		}
		removed = append(removed, box)
	}
	return removed, nil
}

// isPair says whether two interfaces are the ends of one veth pair.
func isPair(a, b netlink.Link) bool {
	return a != nil && b != nil && a.Type() == "veth" && b.Type() == "veth" &&
		a.Attrs().ParentIndex == b.Attrs().Index && b.Attrs().ParentIndex == a.Attrs().Index
}

// missing says what is wrong when an interface cannot be read.
func missing(ifname string, err error) error {
	var none netlink.LinkNotFoundError
	if errors.As(err, &none) {
		return fmt.Errorf("no interface %s in this network namespace; `ip link` lists them: %w", ifname, err)
	}
	return err
}
