package dataplane

import (
	"encoding/binary"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
)

// A worker writes log records to its own ring and never waits: a full ring
// loses the record and counts it. A record is what the text needs:
//
//	0          8      12      14     16         20     24
//	| Generation | Id | InPort | Out | FrameLen | Mark | the frame's beginning ...
const (
	logSlots     = 512
	logRecordMax = 256
	logHeader    = 24
)

// log copies what the log statements in env need of p. Per hit, not per packet.
func (w *worker) log(t *tables, p *packet.Packet) {
	var rec [logRecordMax]byte
	binary.LittleEndian.PutUint64(rec[:], t.generation)
	binary.LittleEndian.PutUint16(rec[12:], p.InPort)
	binary.LittleEndian.PutUint16(rec[14:], p.OutPort)
	binary.LittleEndian.PutUint32(rec[16:], uint32(len(p.Data)))
	binary.LittleEndian.PutUint32(rec[20:], p.Mark)
	n := logHeader + copy(rec[logHeader:], p.Data)
	for _, id := range w.env.Logs[:w.env.NLogs] {
		binary.LittleEndian.PutUint32(rec[8:], id)
		if !w.logs.put(rec[:n], parcel{}) {
			w.stats.LogsLost++
		}
	}
	w.env.NLogs = 0
}

// A record of a packet that connection tracking refused has instead of a rule's
// id a reason and this bit.
const recordReason = 1 << 31

// invalidEvery is how many milliseconds lie between two such records of one
// worker: a flood of them must not take the ring from the rules' ones.
const invalidEvery = 50

// fullEvery is the same of packets for which the table had no room.
const fullEvery = 5000

// noteInvalid logs an INVALID packet, if that is wanted and there was none just
// now.
func (w *worker) noteInvalid(p *packet.Packet) {
	if which := w.box.cfg.LogInvalid; which == 0 || which != 255 && which != p.Proto || w.now-w.noted < invalidEvery {
		return
	}
	w.noted = w.now
	w.note(p)
}

// noteFull logs a packet that is dropped because the table is full, unless one
// was logged just now.
func (w *worker) noteFull(p *packet.Packet) {
	if w.full != 0 && w.now-w.full < fullEvery {
		return
	}
	w.full = max(w.now, 1)
	w.note(p)
}

// note logs p with its reason.
func (w *worker) note(p *packet.Packet) {
	var rec [logRecordMax]byte
	binary.LittleEndian.PutUint32(rec[8:], recordReason|uint32(p.Reason))
	binary.LittleEndian.PutUint16(rec[12:], p.InPort)
	binary.LittleEndian.PutUint16(rec[14:], packet.NoPort)
	binary.LittleEndian.PutUint32(rec[16:], uint32(len(p.Data)))
	n := logHeader + copy(rec[logHeader:], p.Data)
	if !w.logs.put(rec[:n], parcel{}) {
		w.stats.LogsLost++
	}
}

// dispatchEvery is how often the control side looks into the workers' rings.
const dispatchEvery = 5 * time.Millisecond

// dispatch writes what the workers logged and has the next hops resolved that
// they want, until stop.
func (b *Box) dispatch(stop chan struct{}) {
	defer b.done.Done()
	tick := time.NewTicker(dispatchEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			b.parallel(2, func(i int) { [...]func(){b.writeLogs, b.resolve}[i]() })
		}
	}
}

// writeLogs empties the rings. The dispatcher calls it, and whoever is about to
// replace the rules that the records speak of.
func (b *Box) writeLogs() {
	b.logging.Lock()
	defer b.logging.Unlock()
	for _, w := range b.workers {
		at, n := w.logs.ring.Peek(logSlots)
		for i := range n {
			rec, _ := w.logs.read(at + uint32(i))
			b.writeLog(rec)
		}
		w.logs.ring.Release(n)
	}
}

func (b *Box) writeLog(rec []byte) {
	now := b.inForce.Load()
	if now == nil || len(rec) < logHeader {
		return
	}
	if id := binary.LittleEndian.Uint32(rec[8:]); id&recordReason != 0 {
		line := zap.String("line", LogLine("", b.portName(rec[12:]), "", rec[logHeader:]))
		if reason := flowtable.Reason(id &^ recordReason); reason == flowtable.ReasonTableFull {
			b.log.Warn("connection table full, dropping packets", zap.Int("nf_conntrack_max", b.table.Max()), line)
		} else {
			b.log.Warn("invalid packet", zap.Stringer("reason", reason), line)
		}
		return
	}
	if gen := binary.LittleEndian.Uint64(rec); now.generation != gen {
		b.log.Warn("log record of a replaced ruleset", zap.Uint64("generation", gen))
		return
	}
	spec := now.rules.LogSpec(binary.LittleEndian.Uint32(rec[8:]))
	line := AuditLine(binary.LittleEndian.Uint32(rec[20:]), rec[logHeader:])
	if spec.Level != "audit" {
		line = LogLine(spec.Prefix, b.portName(rec[12:]), b.portName(rec[14:]), rec[logHeader:])
	}
	b.log.Log(logLevel(spec.Level), "rule log", zap.String("line", line), zap.Uint32("rule", spec.Rule))
}

func (b *Box) portName(field []byte) string {
	if i := int(binary.LittleEndian.Uint16(field)); i < len(b.cfg.Ports) {
		return b.cfg.Ports[i].Port.Name()
	}
	return ""
}

func logLevel(level string) zapcore.Level {
	switch level {
	case "debug":
		return zapcore.DebugLevel
	case "info", "notice", "audit":
		return zapcore.InfoLevel
	case "emerg", "alert", "crit", "err":
		return zapcore.ErrorLevel
	default:
		return zapcore.WarnLevel
	}
}
