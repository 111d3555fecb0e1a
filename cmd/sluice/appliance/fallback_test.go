package appliance

import (
	"errors"
	"fmt"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/cmd/sluice/settings"
)

// TestDemote: which mode a start that has failed tries next, and when none.
func TestDemote(t *testing.T) {
	stuck := fmt.Errorf("queue 0: %w", afxdp.ErrSelfTest)
	noXDP := fmt.Errorf("attach: %w", unix.EOPNOTSUPP)
	for _, row := range []struct {
		name     string
		set      string
		hostPath bool
		now      string // what an earlier failure has chosen
		err      error
		want     string // empty: give up
	}{
		{"zero-copy does not work", settings.XDPAuto, true, "", &errMode{"eth0", stuck}, settings.XDPCopy},
		{"copy does not work either", settings.XDPAuto, true, settings.XDPCopy, &errMode{"eth0", stuck}, ""},
		{"no native XDP", settings.XDPAuto, false, "", &errMode{"eth0", noXDP}, settings.XDPGeneric},
		{"no native XDP after copy", settings.XDPAuto, false, settings.XDPCopy, &errMode{"eth0", noXDP}, settings.XDPGeneric},
		{"no native XDP beside a host path", settings.XDPAuto, true, "", &errMode{"eth0", noXDP}, ""},
		{"too few queues for XDP", settings.XDPAuto, false, "", &errMode{"eth0", fmt.Errorf("attach: %w", unix.ENOSPC)}, settings.XDPGeneric},
		{"too few queues beside a host path", settings.XDPAuto, true, "", &errMode{"eth0", fmt.Errorf("attach: %w", unix.ENOSPC)}, ""},
		{"not even generic", settings.XDPAuto, false, settings.XDPGeneric, &errMode{"eth0", noXDP}, ""},
		{"zero-copy was demanded", settings.XDPZeroCopy, false, "", &errMode{"eth0", stuck}, ""},
		{"something else", settings.XDPAuto, false, "", &errMode{"eth0", unix.EBUSY}, ""},
		{"no port's fault", settings.XDPAuto, false, "", errors.Join(noXDP, stuck), ""},
	} {
		set := settings.Default()
		set.XDPMode, set.HostPath = row.set, row.hostPath
		r := &running{set: set, log: zap.NewNop(), modes: map[string]string{"eth0": row.now}}
		if got := r.demote(row.err); got != (row.want != "") {
			t.Errorf("%s: another start: %v", row.name, got)
		}
		want := row.want
		if want == "" {
			want = row.now
		}
		if got := r.modes["eth0"]; got != want {
			t.Errorf("%s: mode %q, want %q", row.name, got, want)
		}
		if got := r.modeFor("eth1"); got != row.set {
			t.Errorf("%s: the other port is in mode %q", row.name, got)
		}
	}
}
