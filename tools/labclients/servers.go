package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
)

// Files of the web servers.
const (
	bigBytes  = 100 << 20
	bigName   = "big"
	smallName = "small"
	smallText = "a small page of the laboratory\n"
)

// Ports of servers beside the usual ones.
const (
	echoPort    = "7"
	closedPort  = "8081" // somebody listens, the policy does not allow it
	refusedPort = "8082" // the policy answers with a reset
)

// txtStrings are how many strings of 250 bytes a long answer of the name server has.
const txtStrings = 10

// startServers starts everything that clients talk to.
func (w *world) startServers(ctx context.Context) error {
	if err := w.writePages(); err != nil {
		return err
	}
	if err := w.startEcho(); err != nil {
		return err
	}
	for _, node := range []string{lab.Client, lab.Server} {
		if err := w.startWeb(node); err != nil {
			return err
		}
		if err := w.startFiles(node); err != nil {
			return err
		}
	}
	if err := w.startSSH(); err != nil {
		return err
	}
	var answer []string
	for i := range txtStrings {
		answer = append(answer, strings.Repeat(string(rune('a'+i)), 250))
	}
	for _, s := range [][]string{
		{"dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file=", "--user=root",
			"--log-facility=-", "--edns-packet-max=4096", "--address=/box.test/192.0.2.80", "--txt-record=long.test," + strings.Join(answer, ",")},
	} {
		if err := w.startServer(lab.Server, s[0], s[1:]...); err != nil {
			return err
		}
	}
	for _, a := range [][2]string{
		{lab.Client, "127.0.0.1:80"}, {lab.Server, "127.0.0.1:80"},
		{lab.Client, "127.0.0.1:21"}, {lab.Server, "127.0.0.1:21"},
		{lab.Server, "127.0.0.1:53"}, {lab.Router, "127.0.0.1:22"},
	} {
		if err := w.listens(ctx, a[0], a[1]); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) startServer(node, name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	p, err := startProcess(w.lab, node, path, args...)
	if err == nil {
		w.servers = append(w.servers, p)
	}
	return err
}

// listens waits until somebody accepts connections.
func (w *world) listens(ctx context.Context, node, address string) error {
	err := poll(ctx, 20*time.Millisecond, func() error {
		for _, p := range w.servers {
			if p.waitEnd(0) {
				return nil
			}
		}
		c, err := lab.DialIn(w.lab.NS(node), "tcp", address, time.Second)
		if err == nil {
			err = c.Close()
		}
		return err
	})
	for _, p := range w.servers {
		if p.waitEnd(0) {
			return fmt.Errorf("%s ended: %v: %s", p.name, p.err, p.output)
		}
	}
	return err
}

// writePages writes what the web servers serve; the large page is random.
func (w *world) writePages() error {
	root := filepath.Join(w.dir, "www")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, smallName), []byte(smallText), 0o644); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(root, bigName))
	if err != nil {
		return err
	}
	hash := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(f, hash), 1<<20)
	_, err = io.CopyN(out, rand.NewChaCha8([32]byte{1}), bigBytes)
	if err = errors.Join(err, out.Flush(), f.Close()); err != nil {
		return err
	}
	w.big = [32]byte(hash.Sum(nil))
	return nil
}

func (w *world) startWeb(node string) error {
	dir := filepath.Join(w.dir, "nginx-"+node)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; user root; worker_processes 1; worker_rlimit_nofile 16384;
pid %[1]s/pid; error_log stderr warn;
events { worker_connections 8192; }
http {
	access_log off; sendfile on; default_type application/octet-stream;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	server { listen 80 backlog=4096; listen [::]:80 backlog=4096; root %[2]s/www; }
}
`, dir, w.dir)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return err
	}
	return w.startServer(node, "nginx", "-e", "stderr", "-p", dir, "-c", conf)
}

// startSSH runs an ssh server on the box, with keys that live as long as the lab.
func (w *world) startSSH() error {
	dir := filepath.Join(w.dir, "ssh")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, key := range []string{"host", "user"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			return fmt.Errorf("ssh-keygen: %w: %s", err, out)
		}
	}
	// Compiled into the server: it wants an empty folder to lock itself into.
	const cell = "/run/sshd"
	if err := os.Mkdir(cell, 0o755); err == nil {
		w.closers = append(w.closers, func() error { return os.Remove(cell) })
	} else if !errors.Is(err, os.ErrExist) {
		return err
	}
	conf := filepath.Join(dir, "sshd_config")
	text := fmt.Sprintf(`Port 22
HostKey %[1]s/host
AuthorizedKeysFile %[1]s/user.pub
PidFile none
StrictModes no
UsePAM no
UseDNS no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
`, dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	return w.startServer(lab.Router, "sshd", "-D", "-e", "-f", conf)
}

// startEcho echoes TCP and UDP on server and far, and listens where the policy
// lets nobody.
func (w *world) startEcho() error {
	for node, addrs := range map[string][2]netip.Addr{lab.Server: {lab.Server4, lab.Server6}, far: {far4, far6}} {
		ns := w.lab.NS(node)
		l, err := lab.ListenIn(ns, "tcp", ":"+echoPort)
		if err != nil {
			return err
		}
		w.closers = append(w.closers, l.Close)
		go acceptAll(l, func(c net.Conn) { _, _ = io.Copy(c, c) })
		// A socket for each address: answers must come from the one asked.
		for _, addr := range addrs {
			p, err := lab.ListenPacketIn(ns, "udp", net.JoinHostPort(addr.String(), echoPort))
			if err != nil {
				return err
			}
			w.closers = append(w.closers, p.Close)
			go echoPackets(p)
		}
	}
	for _, at := range [][2]string{{lab.Server, closedPort}, {lab.Server, refusedPort}, {lab.Client, closedPort}} {
		l, err := lab.ListenIn(w.lab.NS(at[0]), "tcp", ":"+at[1])
		if err != nil {
			return err
		}
		w.closers = append(w.closers, l.Close)
		go acceptAll(l, func(net.Conn) {})
	}
	return nil
}

func acceptAll(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			serve(c)
		}()
	}
}

func echoPackets(p net.PacketConn) {
	b := make([]byte, 2048)
	for {
		n, from, err := p.ReadFrom(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, _ = p.WriteTo(b[:n], from) // a lost answer is a lost probe
		}
	}
}
