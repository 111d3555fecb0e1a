package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/sluice-net/sluice/tools/frame"
)

// chunkTypes are SCTP's, by the names that scripts use.
var chunkTypes = map[string]uint8{
	"data": 0, "init": 1, "initack": 2, "sack": 3, "heartbeat": 4, "heartbeatack": 5, "abort": 6, "shutdown": 7,
	"shutdownack": 8, "error": 9, "cookieecho": 10, "cookieack": 11, "ecne": 12, "cwr": 13, "shutdowncomplete": 14,
	"auth": 15, "asconf": 193,
}

// sctp makes "sctp CHUNK..."; a chunk with /t behind its name has the T flag.
// The verification tag is the receiver's unless vtag= says otherwise, 0 on INIT;
// with the T flag it is the sender's own. chunks=HEX stand before the named ones.
func (g *stage) sctp(l *line, f *flow, sport, dport uint16, sum frame.Sum) ([]frame.Layer, error) {
	chunks, err := hex.DecodeString(l.value("chunks", ""))
	if err != nil {
		return nil, fmt.Errorf("%q: chunks: %w", l.text, err)
	}
	if len(l.words) == 0 && len(chunks) == 0 && !l.flag("empty") {
		return nil, fmt.Errorf("%q: want chunks", l.text)
	}
	tag := f.tags[1-l.dir]
	for _, w := range l.words {
		name, mark, _ := strings.Cut(w, "/")
		kind, ok := chunkTypes[name]
		if !ok {
			return nil, fmt.Errorf("%q: no chunk %q", l.text, name)
		}
		flags := uint8(0)
		if mark == "t" {
			flags = 1
			tag = f.tags[l.dir]
		}
		size := map[uint8]int{0: 16, 1: 20, 2: 20, 3: 16, 4: 8, 5: 8, 7: 8, 9: 8, 10: 8, 14: 4}[kind]
		size = max(size, 4)
		c := make([]byte, size)
		c[0], c[1] = kind, flags
		binary.BigEndian.PutUint16(c[2:], uint16(size))
		switch kind {
		case 0:
			c[1] |= 3 // a whole message
		case 1, 2:
			own, err := l.number("itag", int(f.tags[l.dir]))
			if err != nil {
				return nil, err
			}
			binary.BigEndian.PutUint32(c[4:], uint32(own))
			binary.BigEndian.PutUint32(c[8:], 65536)
			binary.BigEndian.PutUint16(c[12:], 1)
			binary.BigEndian.PutUint16(c[14:], 1)
			if kind == 1 {
				tag = 0
			}
		case 4, 5:
			c[5], c[7] = 1, 4 // heartbeat info
		}
		chunks = append(chunks, c...)
	}
	given, err := l.number("vtag", int(tag))
	if err != nil {
		return nil, err
	}
	if v, ok := l.opts["clen"]; ok { // the last chunk's length field lies
		n, err := l.number("clen", 0)
		if err != nil || len(chunks) < 4 {
			return nil, fmt.Errorf("%q: clen %s: %w", l.text, v, err)
		}
		binary.BigEndian.PutUint16(chunks[2:], uint16(n))
	}
	return []frame.Layer{frame.SCTP{Src: sport, Dst: dport, Tag: uint32(given), Sum: sum}, frame.Data(chunks)}, nil
}
