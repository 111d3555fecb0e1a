package appliance

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sluice-net/sluice/afxdp"
)

func TestPrivilege(t *testing.T) {
	for _, row := range []struct {
		name, status string
		missing      []string
		fails        bool
	}{
		{"root", "Name:\tx\nCapEff:\t000001ffffffffff\n", nil, false},
		{"nobody", "CapEff:\t0000000000000000\n", []string{"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_BPF"}, false},
		{"just enough", "CapEff:\t0000008000003000\n", nil, false},
		{"old kernel's way to BPF", "CapEff:\t0000000000203000\n", nil, false},
		{"no raw sockets", "CapEff:\t0000008000001000\n", []string{"CAP_NET_RAW"}, false},
		{"not told", "Name:\tx\n", nil, true},
		{"no number", "CapEff:\tzz\n", nil, true},
	} {
		caps, err := effective(row.status)
		if (err != nil) != row.fails {
			t.Errorf("%s: %v", row.name, err)
		}
		if err == nil && !slices.Equal(missingCaps(caps), row.missing) {
			t.Errorf("%s: missing %v, want %v", row.name, missingCaps(caps), row.missing)
		}
	}
}

// TestLoggedMode: a port in generic mode is not logged as one in copy mode.
func TestLoggedMode(t *testing.T) {
	copies := []afxdp.QueueInfo{{Open: true}}
	if got := loggedMode(afxdp.Info{Queues: copies}); got != "copy" {
		t.Errorf("copy mode is logged as %s", got)
	}
	if got := loggedMode(afxdp.Info{Queues: copies, Generic: true}); got != "generic" {
		t.Errorf("generic mode is logged as %s", got)
	}
}

func TestModeOf(t *testing.T) {
	open, zero := afxdp.QueueInfo{Open: true}, afxdp.QueueInfo{Open: true, ZeroCopy: true}
	for _, row := range []struct {
		queues []afxdp.QueueInfo
		want   string
	}{
		{nil, "closed"}, {[]afxdp.QueueInfo{{}}, "closed"}, {[]afxdp.QueueInfo{open, open}, "copy"},
		{[]afxdp.QueueInfo{zero, zero}, "zero-copy"}, {[]afxdp.QueueInfo{zero, open}, "mixed"},
	} {
		if got := modeOf(afxdp.Info{Queues: row.queues}); got != row.want {
			t.Errorf("%v: %s, want %s", row.queues, got, row.want)
		}
	}
}

func TestLost(t *testing.T) {
	info := afxdp.Info{Queues: []afxdp.QueueInfo{{}, {}}}
	if got := lost(&info); got != nil {
		t.Errorf("%v", got)
	}
	info.Queues[0].Stats.RxFull, info.Queues[1].Stats.RxFull, info.Program.NoSocket = 2, 3, 7
	if got := lost(&info); len(got) != 2 || got["rx-ring-full"] != 5 || got["no-socket"] != 7 {
		t.Errorf("%v", got)
	}
}

func TestUnfinished(t *testing.T) {
	for driver, want := range map[string]bool{"veth": true, "tun": true, "ixgbe": false, "": false} {
		if unfinished(driver, false) != want || !unfinished(driver, true) {
			t.Errorf("%q", driver)
		}
	}
}

// TestCause: of joined errors the first is the one to tell.
func TestCause(t *testing.T) {
	one, two := errors.New("one"), errors.New("two")
	for _, err := range []error{one, errors.Join(one, two), fmt.Errorf("outer: %w", errors.Join(one, two))} {
		if got := cause(err); got != one {
			t.Errorf("%v of %v", got, err)
		}
	}
}
