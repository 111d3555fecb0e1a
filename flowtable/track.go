package flowtable

// Track finds or makes the flow of a packet and takes the packet through its
// protocol's tracker, as nf_conntrack_in. now is the tick in milliseconds.
// It fills the second part of p, which must not be a local variable: it goes
// to trackers through a function value, so that would allocate.
//
// A new flow is unconfirmed until Confirm; the caller calls Confirm or Abandon
// before the next Track.
func (s *Shard) Track(p *Probe, now uint32) Action {
	p.Entry, p.Dir, p.Info = 0, Original, InfoInvalid
	if s.watch != 0 {
		s.tick = now
		s.Deliver(now)
	}
	switch p.Kind {
	case KindFlow:
		p.Reason = ReasonNone
		return s.trackFlow(p, now)
	case KindError:
		p.Reason = ReasonNone
		return s.trackError(p, now)
	case KindUntracked:
		p.Info = InfoUntracked
		return ActionAccept
	default:
		if p.Reason == ReasonNone {
			p.Reason = ReasonMalformed
		}
		if p.Hash != 0 && s.expect.count.Load() != 0 && s.spoil(p, now) {
			return ActionForeign
		}
		return s.invalid(p)
	}
}

// spoil lets an invalid packet that no flow has use up what is expected there:
// Linux makes a packet's flow before it looks at the packet. True: it must go to
// p.Owner.
func (s *Shard) spoil(p *Probe, now uint32) (foreign bool) {
	if p.Reason == ReasonICMPSum { // Tuple may be that of another packet
		return false
	}
	if n, _, _ := s.search(p); n != 0 && !s.entries[n].expired(now) {
		return false
	}
	if s.elsewhere(p) {
		return true
	}
	s.takeExpected(&p.Tuple, now)
	return false
}

// invalid counts p.Reason and lets the packet on without a flow.
func (s *Shard) invalid(p *Probe) Action {
	if p.Reason.isError() {
		s.stats.Error++
	} else {
		s.stats.Invalid++
	}
	s.stats.Reasons[p.Reason%reasons]++
	p.Entry, p.Dir, p.Info = 0, Original, InfoInvalid
	return ActionAccept
}

func (s *Shard) trackFlow(p *Probe, now uint32) Action {
	for {
		var key uint64
		n, dir := s.hinted(p)
		if n == 0 || p.Template.ZoneDir != ZoneBoth {
			n, dir, key = s.search(p)
		}
		if n != 0 && s.entries[n].expired(now) {
			s.reap(n)
			n = 0
		}
		if n == 0 {
			if s.elsewhere(p) {
				return ActionForeign
			}
			if p.Template.ZoneDir != ZoneBoth {
				p.Tuple.Zone = p.Template.zone(Original)
				key = spread(&p.Tuple, p.Hash)
			}
			if _, ok := Invert(&p.Tuple); !ok {
				p.Reason = ReasonNoInverse
				return s.invalid(p)
			}
			if n = s.alloc(&p.Tuple, key, now); n == 0 {
				p.Reason = ReasonTableFull
				s.stats.Drop++
				s.stats.Reasons[ReasonTableFull]++
				return ActionDrop
			}
			dir = Original
			s.begin(p, n, now)
		}
		e := &s.entries[n]
		p.Entry, p.Dir = n, dir
		switch {
		case dir == Reply:
			p.Info = InfoEstablishedReply
		case e.Status&StatusSeenReply != 0:
			p.Info = InfoEstablished
		case e.Status&StatusExpected != 0:
			p.Info = InfoRelated
		default:
			p.Info = InfoNew
		}
		if s.watch != 0 {
			s.watchPacket(n)
		}
		switch s.protocol(p, n, now) {
		case OutcomeAccept:
			if dir == Reply {
				e.setStatus(StatusSeenReply)
			}
			if s.members != 0 {
				s.tell(n)
			}
			return ActionAccept
		case OutcomeRepeat:
			continue // the tracker killed the entry, so this ends
		default:
			s.Abandon(n)
			if s.members != 0 {
				s.tell(n) // it may have been shortened
			}
			if p.Reason == ReasonNone {
				p.Reason = ReasonMalformed // a tracker from outside that gave none
			}
			return s.invalid(p)
		}
	}
}

// search finds the flow of p, and the key to file it under if there is none.
func (s *Shard) search(p *Probe) (n uint32, dir uint8, key uint64) {
	if p.Template.ZoneDir != ZoneBoth {
		return s.findZoned(p)
	}
	key = spread(&p.Tuple, p.Hash)
	n, dir = s.find(&p.Tuple, key)
	return n, dir, key
}

// findZoned is find for a packet with a zone of one direction only
// (nf_conntrack_find_get): in the zone of originals for a flow's original
// tuple, then in that of replies for its reply tuple. p.Tuple is left in the
// zone of the last try.
func (s *Shard) findZoned(p *Probe) (n uint32, dir uint8, key uint64) {
	for want := range uint8(2) {
		p.Tuple.Zone = p.Template.zone(want)
		key = spread(&p.Tuple, p.Hash)
		if n, dir = s.find(&p.Tuple, key); n != 0 && dir == want {
			return n, dir, key
		}
	}
	return 0, Original, key
}

// begin gives a new flow what its expectation or its template says. The reply
// tuple of a zone of one direction need not be free before NAT has chosen one.
func (s *Shard) begin(p *Probe, n uint32, now uint32) {
	t := &p.Template
	if t.ZoneDir != ZoneBoth {
		reply, _ := Invert(&p.Tuple)
		reply.Zone = t.zone(Reply)
		s.nat[n].Reply = reply
		s.entries[n].flags |= flagUnclaimed
	}
	if t.Timeouts != 0 {
		s.SetTimeouts(n, t.Timeouts)
	}
	if t.Synproxy {
		s.cold.synproxy[n] = Synproxy{}
		s.entries[n].Status |= StatusSynproxy
	}
	if s.watch != 0 {
		s.watchFlow(n, t.Events)
	}
	if s.expect.count.Load() != 0 && s.expected(n, now) {
		return
	}
	if t.Helper != 0 && s.attach(n, t.Helper) {
		s.entries[n].Status |= StatusHelper
	}
}

// protocol calls the tracker, the two common ones directly.
func (s *Shard) protocol(p *Probe, n uint32, now uint32) Outcome {
	switch {
	case p.Tuple.Proto == ProtoTCP && s.direct:
		return trackTCP(s, p, n, now)
	case p.Tuple.Proto == ProtoUDP && s.direct:
		return trackUDP(s, p, n, now)
	}
	return s.table.tracker(&p.Tuple).Packet(s, p, n, now)
}

// elsewhere reports whether a packet that missed here must go to p.Owner: the
// worker whose NATed flow it answers or, for a packet that the directory sent
// here in vain, the one that owns its hash.
func (s *Shard) elsewhere(p *Probe) bool {
	if s.alone {
		return false
	}
	owner := s.me
	if p.Foreign {
		owner = uint16(s.table.Owner(p.Hash))
	} else if o, ok := s.table.dir.lookup(p.Hash, s.table.fingerprint(&p.Tuple)); ok {
		owner = o
	}
	if owner == s.me {
		return false
	}
	p.Owner = owner
	s.stats.Foreign++
	return true
}

// Locate returns the worker to which Track would have the packet go: this one,
// or another because of the directory. For callers that do something before
// Track which only the owner may do. It changes nothing.
func (s *Shard) Locate(p *Probe, now uint32) int {
	n, _ := s.find(&p.Tuple, spread(&p.Tuple, p.Hash))
	if n != 0 && !s.entries[n].expired(now) {
		return int(s.me)
	}
	if p.Kind == KindError && p.Foreign || !s.elsewhere(p) {
		return int(s.me)
	}
	return int(p.Owner)
}

// trackError attaches an ICMP error to the flow it complains of. It neither
// refreshes the flow nor counts in it (nf_conntrack_inet_error).
func (s *Shard) trackError(p *Probe, now uint32) Action {
	n, dir, _ := s.search(p)
	if n != 0 && s.entries[n].expired(now) {
		s.reap(n)
		n = 0
	}
	if n == 0 && !p.Foreign && s.elsewhere(p) {
		return ActionForeign
	}
	switch {
	case n == 0:
		p.Reason = ReasonNoFlow
	case p.Misdirected:
		p.Reason = ReasonMisdirected
	default:
		s.Attach(p, n, dir)
		return ActionAccept
	}
	return s.invalid(p)
}

// Attach makes p a packet related to the flow of entry n, confirmed or not:
// an ICMP error about it, or an answer that the box itself gives to one of its
// packets. dir is the direction in which p travels.
func (s *Shard) Attach(p *Probe, n uint32, dir uint8) {
	p.Entry, p.Dir, p.Info, p.Reason = n, dir, InfoRelated, ReasonNone
	if dir == Reply {
		p.Info = InfoRelatedReply
	}
}
