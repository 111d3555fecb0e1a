package lab

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
)

// Cmd is a program to be run in a namespace. It is an exec.Cmd whose Start, Run,
// Output and CombinedOutput start the program there. SysProcAttr.Pdeathsig must
// not be set: the thread that starts the program does not live on.
type Cmd struct {
	*exec.Cmd
	ns string
}

// Command prepares a program to run in a namespace.
func Command(ns, name string, args ...string) *Cmd {
	return &Cmd{exec.Command(name, args...), ns}
}

// CommandContext is Command with a context whose end kills the program.
func CommandContext(ctx context.Context, ns, name string, args ...string) *Cmd {
	return &Cmd{exec.CommandContext(ctx, name, args...), ns}
}

// Command prepares a program to run in a node.
func (l *Lab) Command(node, name string, args ...string) *Cmd {
	return Command(l.NS(node), name, args...)
}

// Start starts the program; Wait ends it as with exec.Cmd.
func (c *Cmd) Start() error { return Do(c.ns, c.Cmd.Start) }

// Run starts the program and waits until it ends.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the program and returns what it has written to standard output.
// Its error has what was written to standard error if nobody else took it.
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("lab: Stdout is set already")
	}
	var stdout, stderr bytes.Buffer
	c.Stdout = &stdout
	mine := c.Stderr == nil
	if mine {
		c.Stderr = &stderr
	}
	err := c.Run()
	var exit *exec.ExitError
	if mine && errors.As(err, &exit) {
		exit.Stderr = stderr.Bytes()
	}
	return stdout.Bytes(), err
}

// CombinedOutput runs the program and returns all it has written.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stdout != nil || c.Stderr != nil {
		return nil, errors.New("lab: Stdout or Stderr is set already")
	}
	var b bytes.Buffer
	c.Stdout, c.Stderr = &b, &b
	err := c.Run()
	return b.Bytes(), err
}
