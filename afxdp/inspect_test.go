package afxdp

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestInspect looks at a veth, before and while a program is on it.
func TestInspect(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 2)
	v, err := Inspect("a1")
	if err != nil {
		t.Fatal(err)
	}
	if v.Driver != "veth" || v.Index != n.index("a1") || v.MTU != 1500 || !v.Up || !v.Ethernet || v.Channels != 2 || v.XDP != 0 {
		t.Errorf("%+v", v)
	}
	if v.FeaturesKnow && (v.Features&(FeatureBasic|FeatureRedirect) != FeatureBasic|FeatureRedirect || v.Features&FeatureZeroCopy != 0) {
		t.Errorf("features of a veth: %#x", v.Features)
	}
	if err := v.Clean(false); err != nil {
		t.Errorf("a veth: %v", err)
	}
	v.GRO = true
	if err := v.Clean(true); err == nil || !strings.Contains(err.Error(), "gro off") {
		t.Errorf("generic XDP with GRO: %v", err)
	}
	n.open("a1", testOptions(2), n.umems(2, 1024))
	if v, err = Inspect("a1"); err != nil || v.XDP == 0 || v.Taken == nil || !strings.Contains(v.Taken.Error(), fmt.Sprintf("`kill %d`", os.Getpid())) {
		t.Errorf("with a program: %+v, %v", v, err)
	}
	n.set("a0", netlink.LinkSetDown)
	if v, err = Inspect("a1"); err != nil || v.Carrier || !v.Up {
		t.Errorf("without carrier: %+v, %v", v, err)
	}
	if _, err := Inspect("nosuch"); !errors.Is(err, unix.ENODEV) {
		t.Errorf("no such interface: %v", err)
	}
}

// TestNetlinkAnswer reads answers of the kernel and what is none.
func TestNetlinkAnswer(t *testing.T) {
	message := func(kind byte, rest string) []byte {
		return []byte(string([]byte{byte(16 + len(rest)), 0, 0, 0, kind, 0}) + strings.Repeat("\x00", 10) + rest)
	}
	for _, tc := range []struct {
		name  string
		b     []byte
		value string
		err   error
	}{
		{"two attributes", message(30, "\x06\x00\x01\x00ab\x00\x00"+"\x05\x00\x03\x00x\x00\x00\x00"), "x", nil},
		{"error", message(2, "\xfe\xff\xff\xff"), "", unix.ENOENT},
		{"attribute too long", message(30, "\x20\x00\x03\x00x\x00\x00\x00"), "", nil},
		{"attribute too short", message(30, "\x02\x00\x03\x00x\x00\x00\x00"), "", nil},
	} {
		attrs, err := netlinkAnswer(tc.b)
		if !errors.Is(err, tc.err) || tc.err == nil && err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		value, ok := attribute(attrs, 3)
		if string(value) != tc.value || ok != (tc.value != "") {
			t.Errorf("%s: %q %v", tc.name, value, ok)
		}
	}
	for n := range 20 {
		if _, err := netlinkAnswer(make([]byte, n)); err == nil {
			t.Errorf("%d bytes are an answer", n)
		}
	}
}

// TestSelfTestIsForZeroCopy: queues that copy are not tested, so their far side
// sees no frame.
func TestSelfTestIsForZeroCopy(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	_, near := n.open("a0", testOptions(1), n.umems(1, 1024))
	p, _ := n.open("a1", testOptions(1), n.umems(1, 1024))
	if err := p.SelfTest(); err != nil {
		t.Error(err)
	}
	if near[0].q.Recv(near[0].buf) != 0 {
		t.Error("a frame was sent")
	}
	if info := p.Info(); info.Queues[0].Reason == "" || p.ZeroCopy() {
		t.Errorf("a veth has no reason to copy: %+v, zero-copy %v", info.Queues[0], p.ZeroCopy())
	}
}
