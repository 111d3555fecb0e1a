package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sluice-net/sluice/tools/lab"
	"github.com/sluice-net/sluice/tools/vm/wire"
)

// sshCase logs in at the machine from both sides, over both families, beside
// zero-copy cards: a real client, and dropbear for daemon.
var sshCase = testCase{name: "host path: ssh to the machine beside zero-copy cards", run: func(ctx context.Context, w *world) (string, error) {
	if err := w.startBox(ctx, natRules, 2); err != nil {
		return "", err
	}
	if err := w.modes(ctx, "zero-copy", 2); err != nil {
		return "", err
	}
	stop, err := w.serveSSH(ctx)
	if err != nil {
		return "", err
	}
	defer stop()
	sent := make([]byte, 256<<10)
	if _, err := rand.Read(sent); err != nil {
		return "", err
	}
	want := fmt.Sprintf("%x  -\n", sha256.Sum256(sent))
	logins := 0
	for _, way := range [][2]string{{client, boxC4}, {client, boxC6}, {server, boxS4}, {server, boxS6}} {
		if err := w.reaches(ctx, way[0], way[1]); err != nil {
			return "", err
		}
		for _, c := range []struct {
			command string
			in      []byte
			want    string
		}{
			{"cat /proc/sys/kernel/osrelease", nil, w.guest.release + "\n"},
			{"sha256sum", sent, want},
		} {
			got, err := w.ssh(ctx, way[0], way[1], c.command, c.in)
			if err != nil {
				return "", fmt.Errorf("from %s to %s: %w", way[0], way[1], err)
			}
			if got != c.want {
				return "", fmt.Errorf("from %s to %s: %s: %q, want %q", way[0], way[1], c.command, got, c.want)
			}
			logins++
		}
	}
	if err := w.modes(ctx, "zero-copy", 2); err != nil {
		return "", err
	}
	even, err := w.ledger(ctx)
	return fmt.Sprintf("%d logins by OpenSSH at dropbear, from both sides over IPv4 and IPv6, %d KiB sent in; %s", logins, 4*len(sent)>>10, even), err
}}

// serveSSH makes a key that is let in and starts the daemon in the machine.
func (w *world) serveSSH(ctx context.Context) (stop func(), err error) {
	key := filepath.Join(w.dir, "key")
	_ = os.Remove(key) // of an earlier round: ssh-keygen would ask
	if out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		return nil, err
	}
	for path, text := range map[string]string{"/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "/root/keys": string(public)} {
		if err := w.guest.write(ctx, path, text); err != nil {
			return nil, err
		}
	}
	if err := w.shell(ctx, "mkdir -p -m 700 /root/.ssh; cp /root/keys /root/.ssh/authorized_keys; chmod 600 /root/.ssh/authorized_keys"); err != nil {
		return nil, err
	}
	// In the foreground, errors to the log, host keys made when asked for, no passwords.
	r, err := w.guest.call(ctx, wire.Request{Op: wire.OpStart, Args: []string{"/bin/dropbear", "-F", "-E", "-R", "-s", "-p", "22"}})
	if err != nil {
		return nil, err
	}
	daemon := r.PID
	if _, err := w.guest.call(ctx, wire.Request{Op: wire.OpAwait, PID: daemon, Text: "Not backgrounding", Seconds: 20}); err != nil {
		return nil, err
	}
	return func() {
		_, _ = w.guest.call(ctx, wire.Request{Op: wire.OpStop, PID: daemon, Number: 15, Seconds: 5}) // it ends with the machine at the latest
	}, nil
}

// ssh runs a command in the machine from a node.
func (w *world) ssh(ctx context.Context, node, to, command string, in []byte) (string, error) {
	cmd := lab.CommandContext(ctx, w.lab.NS(node), "ssh", "-F", "none", "-i", filepath.Join(w.dir, "key"), "-o", "IdentitiesOnly=yes",
		"-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile="+filepath.Join(w.dir, "known"),
		"-o", "ConnectTimeout=20", "-o", "LogLevel=ERROR", "root@"+to, command)
	cmd.Stdin = bytes.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("ssh %s %s: %w: %s", to, command, err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}
