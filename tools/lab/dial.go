package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// DialIn connects from a namespace. network is as for net.Dial, address an IP
// address and a port; a zone is the interface's number. The connection belongs
// to the namespace for ever and may be used anywhere. The timeout is for TCP's
// handshake.
func DialIn(ns, network, address string, timeout time.Duration) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dial in %s: %w", ns, err) // a name would be looked up outside
	}
	var conn net.Conn
	err := Do(ns, func() (err error) {
		d := net.Dialer{Timeout: timeout}
		conn, err = d.Dial(network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dial in %s: %w", ns, err)
	}
	return conn, nil
}

// Dialer returns a function for http.Transport's DialContext and the like, which
// connects from a namespace.
func Dialer(ns string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if _, err := netip.ParseAddrPort(address); err != nil {
			return nil, fmt.Errorf("dial in %s: %w", ns, err)
		}
		var conn net.Conn
		err := Do(ns, func() (err error) {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}
}

// ListenIn listens in a namespace for a stream network such as "tcp". The
// address is an IP address and a port, or a port alone behind a colon.
func ListenIn(ns, network, address string) (net.Listener, error) {
	var listener net.Listener
	err := Do(ns, func() (err error) {
		listener, err = net.Listen(network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen in %s: %w", ns, err)
	}
	return listener, nil
}

// ListenPacketIn listens in a namespace for a packet network such as "udp".
func ListenPacketIn(ns, network, address string) (net.PacketConn, error) {
	var conn net.PacketConn
	err := Do(ns, func() (err error) {
		conn, err = net.ListenPacket(network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen in %s: %w", ns, err)
	}
	return conn, nil
}
