package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/sluice-net/sluice/tools/lab"
)

// helperChecks are protocols that open further connections, which the box
// learns of by its helpers: the rules let in nothing but what is related.
var helperChecks = func() []check {
	var list []check
	for _, c := range []struct {
		name     string
		from     string
		to       netip.Addr
		settings string
	}{
		{"lftp: passive through masquerade", lab.Client, lab.Server4, "set ftp:passive-mode on; set ftp:prefer-epsv off"},
		{"lftp: extended passive through masquerade", lab.Client, lab.Server4, "set ftp:passive-mode on; set ftp:prefer-epsv on"},
		{"lftp: active through masquerade", lab.Client, lab.Server4, "set ftp:passive-mode off"},
		{"lftp: extended passive over IPv6", lab.Client, lab.Server6, "set ftp:passive-mode on"},
		{"lftp: extended active over IPv6", lab.Client, lab.Server6, "set ftp:passive-mode off"},
		{"lftp: passive through DNAT", lab.Server, lab.RouterS4, "set ftp:passive-mode on; set ftp:prefer-epsv off; set ftp:fix-pasv-address off"},
		{"lftp: extended passive through DNAT", lab.Server, lab.RouterS4, "set ftp:passive-mode on; set ftp:prefer-epsv on"},
		{"lftp: active through DNAT", lab.Server, lab.RouterS4, "set ftp:passive-mode off"},
	} {
		list = append(list, check{name: c.name, run: func(ctx context.Context, w *world) (string, error) {
			return "", w.ftp(ctx, c.from, c.to, c.settings)
		}})
	}
	for _, c := range []struct {
		name string
		from string
		to   netip.Addr
	}{
		{"tftp: through masquerade", lab.Client, lab.Server4},
		{"tftp: over IPv6", lab.Client, lab.Server6},
		{"tftp: through DNAT", lab.Server, lab.RouterS4},
	} {
		list = append(list, check{name: c.name, run: func(ctx context.Context, w *world) (string, error) {
			out, err := w.output(ctx, c.from, "curl", "--silent", "--show-error", "--noproxy", "*", "--connect-timeout", "5", "--max-time", "10",
				"tftp://"+at(c.to)+"/"+smallName)
			if err == nil && out != smallText {
				err = fmt.Errorf("got %q", out)
			}
			return "", err
		}})
	}
	return append(list, check{name: "sipp: calls through masquerade, translated", run: sipCalls})
}()

// at writes an address as a URL does.
func at(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// ftp lists a folder and fetches two files, one after the other, over the same
// control connection: what comes behind a command that was made longer or
// shorter has to fit.
func (w *world) ftp(ctx context.Context, from string, to netip.Addr, settings string) error {
	home, err := os.MkdirTemp(w.dir, "lftp-")
	if err != nil {
		return err
	}
	script := settings + "; set net:timeout 4; set net:max-retries 1; set net:reconnect-interval-base 1; set xfer:log off; set cmd:fail-exit on; " +
		"open ftp://" + at(to) + "/; cls -1; get " + smallName + " -o " + home + "/one; cls -1; get " + smallName + " -o " + home + "/two"
	out, err := w.output(ctx, from, "env", "HOME="+home, "lftp", "--norc", "-c", script)
	if err != nil {
		return err
	}
	if strings.Count(out, smallName+"\n") != 2 {
		return fmt.Errorf("the listings are %q", out)
	}
	for _, name := range []string{"one", "two"} {
		text, err := os.ReadFile(filepath.Join(home, name))
		if err != nil {
			return err
		}
		if string(text) != smallText {
			return fmt.Errorf("file %s is %q", name, text)
		}
	}
	return nil
}

// sipCalls makes calls whose messages the other side keeps: no address of the
// inner net may be in them.
func sipCalls(ctx context.Context, w *world) (string, error) {
	dir, err := os.MkdirTemp(w.dir, "sipp-")
	if err != nil {
		return "", err
	}
	trace := filepath.Join(dir, "server.log")
	server, err := startProcess(w.lab, lab.Server, "sipp", "-sn", "uas", "-i", lab.Server4.String(), "-p", "5060", "-nostdin",
		"-trace_msg", "-message_file", trace)
	if err != nil {
		return "", err
	}
	const calls = "5"
	_, err = w.output(ctx, lab.Client, "sipp", "-sn", "uac", "-i", lab.Client4.String(), "-p", "5060", "-nostdin", "-m", calls, "-r", "5",
		"-timeout", "10", "-timeout_error", "-d", "200", lab.Server4.String()+":5060")
	if failed := server.end(); err == nil {
		err = failed
	}
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(text), "INVITE sip:") {
		return "", fmt.Errorf("no call came to the server: %d bytes of messages", len(text))
	}
	for _, l := range strings.Split(string(text), "\n") {
		name, _, _ := strings.Cut(l, ":")
		switch name {
		case "Call-ID", "Subject": // names, not places
			continue
		}
		if strings.Contains(l, lab.Client4.String()) {
			return "", fmt.Errorf("the server read %q", strings.TrimSpace(l))
		}
	}
	return calls + " calls", nil
}

// startFiles starts FTP and TFTP servers for what the web servers have.
func (w *world) startFiles(node string) error {
	dir := filepath.Join(w.dir, "ftp-"+node)
	if err := os.MkdirAll(filepath.Join(dir, "empty"), 0o755); err != nil {
		return err
	}
	conf := filepath.Join(dir, "vsftpd.conf")
	root := filepath.Join(w.dir, "www")
	text := fmt.Sprintf(`background=NO
listen=NO
listen_ipv6=YES
anonymous_enable=YES
no_anon_password=YES
local_enable=NO
run_as_launching_user=YES
anon_root=%s
secure_chroot_dir=%s/empty
connect_from_port_20=YES
isolate=NO
isolate_network=NO
seccomp_sandbox=NO
xferlog_enable=NO
`, root, dir)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	if err := w.startServer(node, "vsftpd", conf); err != nil {
		return err
	}
	return w.startServer(node, "in.tftpd", "--foreground", "--listen", "--address", ":69", "--user", "root", "--secure", root)
}
