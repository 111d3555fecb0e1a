package main

import (
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newRuleLog returns a logger that prints what log statements of rules say, a
// line each as the kernel would log it, and everything else by its message.
func newRuleLog(out io.Writer) *zap.Logger { return zap.New(&ruleLog{out}) }

// ruleLog is a zapcore.Core.
type ruleLog struct{ out io.Writer }

func (*ruleLog) Enabled(zapcore.Level) bool          { return true }
func (c *ruleLog) With([]zapcore.Field) zapcore.Core { return c }
func (*ruleLog) Sync() error                         { return nil }

func (c *ruleLog) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return to.AddCore(e, c)
}

func (c *ruleLog) Write(e zapcore.Entry, fields []zapcore.Field) error {
	text := e.Message
	for _, f := range fields {
		if f.Key == "line" {
			text = f.String
		}
	}
	_, err := fmt.Fprintln(c.out, text)
	return err
}
