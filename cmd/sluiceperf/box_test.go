package main

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/tools/frame"
)

const testRules = `table ip fw {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established accept
		udp dport 53 counter accept
	}
}
`

// loadedBox is a running router between two pipes through which UDP goes as
// fast as it can; it returns the path of its control socket.
func loadedBox(t *testing.T) string {
	t.Helper()
	socket, _ := endingBox(t)
	return socket
}

// endingBox is loadedBox with a function that makes it gone for its clients.
func endingBox(t *testing.T) (socket string, end func()) {
	t.Helper()
	cfg := dataplane.Default()
	cfg.Frames = 4096
	cfg.Conntrack.Max = 1024
	var ends [2]*afxdp.End
	for i, name := range []string{"lan", "wan"} {
		near, far, err := afxdp.NewPipe(afxdp.PipeConfig{
			Name: [2]string{name, "far-" + name}, Queues: 1, Ring: 512,
			MAC: [2]net.HardwareAddr{{2, 0, 0, 0, 0, byte(i)}, {2, 0, 0, 0, 1, byte(i)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if ends[i], err = afxdp.NewEnd(far, 0, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _, _ = ends[i].Close(), near.Close(), far.Close() })
		cfg.Ports = append(cfg.Ports, dataplane.PortConfig{
			Port: near, Peer: -1, Addrs: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 24)},
		})
		cfg.Neighbours = append(cfg.Neighbours, route.Neighbour{
			Port: uint16(i), Addr: netip.AddrFrom4([4]byte{10, 0, byte(i), 2}), MAC: [6]byte{2, 0, 0, 0, 1, byte(i)},
		})
	}
	box, err := dataplane.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	if _, err := box.Load("test.nft", []byte(testRules)); err != nil {
		t.Fatal(err)
	}
	if err := box.Start(); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		pump(ends, stop)
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		box.Stop()
	})
	return serve(t, box)
}

// serve answers for the box on a socket of its own, until end.
func serve(t *testing.T, box *dataplane.Box) (path string, end func()) {
	t.Helper()
	socket, err := control.Claim(filepath.Join(t.TempDir(), "box.sock"))
	if err != nil {
		t.Fatal(err)
	}
	s := &control.Server{Box: box, Book: control.NewRulebook(box), Version: "test", Log: zap.NewNop()}
	done := make(chan error)
	go func() { done <- s.Serve(socket) }()
	end = sync.OnceFunc(func() {
		s.Close(0)
		if err := errors.Join(<-done, socket.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(end)
	return socket.Path(), end
}

// pump sends datagrams of a few flows, allowed ones and others, and answers the
// allowed ones, until stop.
func pump(ends [2]*afxdp.End, stop chan struct{}) {
	lan := frame.Ether{Src: frame.MAC{2, 0, 0, 0, 1, 0}, Dst: frame.MAC{2, 0, 0, 0, 0, 0}}
	wan := frame.Ether{Src: frame.MAC{2, 0, 0, 0, 1, 1}, Dst: frame.MAC{2, 0, 0, 0, 0, 1}}
	var up, down [][]byte
	for i := range uint16(16) {
		port := uint16(53)
		if i%4 == 3 {
			port = 54
		}
		up = append(up, frame.Build(lan, frame.IPv4{Src: "10.0.0.2", Dst: "10.0.1.2"}, frame.UDP{Src: 1000 + i, Dst: port}, frame.Zeros(20)))
		down = append(down, frame.Build(wan, frame.IPv4{Src: "10.0.1.2", Dst: "10.0.0.2"}, frame.UDP{Src: port, Dst: 1000 + i}, frame.Zeros(20)))
	}
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		ends[0].Write(up[i%len(up)], 0) // a full port takes the next one
		ends[1].Write(down[i%len(down)], 0)
		if i%64 == 0 {
			for _, e := range ends {
				e.Flush()
				for ok := true; ok; {
					_, _, ok = e.Read()
				}
			}
			time.Sleep(100 * time.Microsecond) // leave the box a CPU
		}
	}
}

// command runs a command line of sluiceperf against a box.
func command(t *testing.T, socket string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	if socket != "" {
		args = append(args, "--control", socket)
	}
	status = run(t.Context(), args, &out, &errs)
	return out.String(), errs.String(), status
}
