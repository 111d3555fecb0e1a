package mirror

import (
	"errors"

	"github.com/vishvananda/netlink/nl"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// send asks the kernel to resolve a hop, and to keep it resolved or not.
func (k *keeper) send(h hop, managed bool) bool {
	msg := &ndmsg{family: familyOf(h.addr), index: h.index}
	attrs := []nl.NetlinkRequestData{msg, nl.NewRtAttr(unix.NDA_DST, h.addr.AsSlice())}
	if managed {
		attrs = append(attrs, nl.NewRtAttr(ndaFlagsExt, nl.Uint32Attr(ntfExtManaged)))
	} else {
		msg.flags = unix.NTF_USE
	}
	err := k.newNeighbour(attrs)
	if err == nil {
		return true
	}
	if managed && k.managed == 0 && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP)) {
		k.decide(-1)
		return false
	}
	k.refused(h, err)
	return false
}

// restart makes the kernel resolve a hop anew. It waits for an answer, so a
// request alone would do nothing; without a state, the entry and what is queued
// behind it stay, and the request sends a solicitation at once.
func (k *keeper) restart(h hop, managed bool) {
	msg := &ndmsg{family: familyOf(h.addr), index: h.index}
	if err := k.newNeighbour([]nl.NetlinkRequestData{msg, nl.NewRtAttr(unix.NDA_DST, h.addr.AsSlice())}); err != nil {
		k.refused(h, err)
		return
	}
	k.send(h, managed)
	k.m.count(func(s *Stats) { s.AskedAgain++ })
}

func (k *keeper) newNeighbour(attrs []nl.NetlinkRequestData) error {
	_, err := k.req.request(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_ACK, attrs...).Execute(unix.NETLINK_ROUTE, 0)
	return err
}

func (k *keeper) refused(h hop, err error) {
	k.m.count(func(s *Stats) { s.KeepErrors++ })
	k.m.log.Debug("neighbour request refused", zap.Stringer("address", h.addr), zap.Int("interface", h.index), zap.Error(err))
}

// release gives back what was managed from here. The events are read no more,
// so it looks for itself.
func (k *keeper) release() {
	var release []hop
	err := k.req.each(unix.RTM_GETNEIGH, unix.RTM_NEWNEIGH, &ndmsg{},
		func() { release = nil },
		func(b []byte) {
			h, n, ok := decodeNeighbour(b)
			if _, mine := k.mine[h]; ok && mine && n.managed && n.state&nudFixed == 0 {
				release = append(release, h)
			}
		})
	if err != nil {
		k.m.log.Warn("neighbours stay managed by the kernel", zap.Error(err))
	}
	for _, h := range release {
		k.send(h, false)
	}
	k.mine = map[hop]struct{}{}
}
