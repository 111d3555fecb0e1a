package dataplane

import (
	"encoding/hex"

	"go.uber.org/zap"

	"github.com/sluice-net/sluice/perf"
)

// defect is what whoever reads the log of a panic shall know.
const defect = "this is a defect of sluice: please report it with these lines"

// LogFault logs a panic of the control side, which what says the consequences of,
// with the stack of where it began.
func LogFault(log *zap.Logger, what string, f *perf.Fault, fields ...zap.Field) {
	fields = append(fields, zap.Any("panic", f.Value), zap.String("note", defect))
	if entry := log.Check(zap.ErrorLevel, what); entry != nil {
		entry.Stack = string(f.Stack)
		entry.Write(fields...)
	}
}

// poolFault logs the panic of a job that nobody waits for: without it the box is
// slower, or a cache smaller.
func (b *Box) poolFault(value any) {
	if fault := perf.Catch(func() { panic(value) }); fault != nil {
		LogFault(b.log, "work for later could not be done, the rules in force stay", fault)
	}
}

// lastWords logs what a worker was at when it panicked. Go's runtime then prints the
// panic and ends the process: a worker in the middle of a packet cannot go on, and no
// packet shall go by without one. The frame is as the worker had made it by then, cut
// to what headers need, for the rest may be confidential.
func (w *worker) lastWords() {
	fields := []zap.Field{zap.Int("worker", w.id), zap.Uint64("generation", w.next.Load().generation)}
	if w.at < len(w.pkts) {
		p := &w.pkts[w.at]
		if int(p.InPort) < len(w.box.cfg.Ports) {
			fields = append(fields, zap.String("in", w.box.cfg.Ports[p.InPort].Port.Name()))
		}
		fields = append(fields, zap.Int("bytes", len(p.Data)), zap.String("frame", hex.EncodeToString(p.Data[:min(len(p.Data), 128)])))
	}
	w.box.log.Error("a worker has panicked, the box ends: what follows says where", append(fields, zap.String("note", defect))...)
}
