package rules

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// Send is where a rule sends a packet, or a copy of it.
type Send struct {
	Port   uint16   // packet.NoPort: no rule names one, or none has that name
	Family uint8    // flowtable.FamilyIPv4 or FamilyIPv6 of Addr; 0 without
	Named  bool     // the rule names a port
	Early  bool     // at prerouting or input
	Addr   [16]byte // of the next hop, in network byte order; IPv4 in the first four bytes
}

// Where opCopy and opRelay have the port from, in ins.flag.
const (
	sendUnnamed uint8 = iota
	sendPort          // arg
	sendIndex         // the interface index in key word key
)

// send lowers dup and fwd: the address comes into the key words from 0 on.
func (lw *lowering) send(op uint8, pos nft.Pos, family nft.Family, addr, device nft.Expr) error {
	s := step{ins: ins{op: op}}
	if addr != nil {
		n, err := lw.value(pos, addr, 0)
		if err != nil {
			return err
		}
		s.key, s.shift = n, uint8(family)
	}
	if c, ok := device.(*nft.Const); ok {
		port, known := lw.ports.portOf(c.Name)
		if c.Name == "" {
			port, known = lw.ports.withIndex(c.Data)
		}
		if !known && lw.ports.none() > 0 {
			return errorf(pos, "device %s is no port of this box", c.Name)
		}
		s.flag, s.arg = sendPort, uint32(port)
		if !known {
			s.arg = uint32(packet.NoPort)
		}
	} else if device != nil {
		if _, err := lw.value(pos, device, s.key); err != nil {
			return err
		}
		s.flag = sendIndex
	}
	lw.out.steps = append(lw.out.steps, s)
	return nil
}

// withIndex returns the port with an interface index.
func (ps *ports) withIndex(data []byte) (int, bool) {
	index, err := number64(data)
	for i := range ps.rows[:ps.none()] {
		if err == nil && index != 0 && uint64(ps.rows[i].index) == index {
			return i, true
		}
	}
	return 0, false
}

// target fills env.Send for opCopy and opRelay.
func (im *Image) target(in *ins, env *Env) {
	s := &env.Send
	*s = Send{Port: packet.NoPort, Family: in.shift}
	switch in.shift {
	case flowtable.FamilyIPv4:
		binary.BigEndian.PutUint32(s.Addr[:], uint32(env.key[0]))
	case flowtable.FamilyIPv6:
		binary.BigEndian.PutUint64(s.Addr[:], env.key[0])
		binary.BigEndian.PutUint64(s.Addr[8:], env.key[1])
	}
	switch in.flag {
	case sendPort:
		s.Port, s.Named = uint16(in.arg), true
	case sendIndex:
		s.Named = true
		index := env.key[in.key%keyWords]
		for port := range im.ports {
			if index != 0 && im.ifindex(uint16(port)) == index {
				s.Port = uint16(port)
				break
			}
		}
	}
}

// copy is opCopy: the packet goes on as if nothing had happened.
func (im *Image) copy(in *ins, c *BaseChain, p *packet.Packet, env *Env) {
	if env.Copy == nil {
		return
	}
	im.target(in, env)
	env.Send.Early = c.Early
	env.Copy(p, &env.Send)
}

// relay is opRelay. With a next hop it is for packets of that family only
// (nft_fwd_neigh_eval).
func (im *Image) relay(in *ins, p *packet.Packet, env *Env) bool {
	if in.shift != 0 && in.shift != p.Family {
		return false
	}
	im.target(in, env)
	return true
}
