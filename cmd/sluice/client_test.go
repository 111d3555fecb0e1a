package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/cmd/sluice/settings"
)

func TestRunFlags(t *testing.T) {
	yaml := filepath.Join(t.TempDir(), "box.yaml")
	if err := os.WriteFile(yaml, []byte(`rules: /r.nft
ports: [{name: a, untrusted: true}, {name: b}]
ring: 512
workers: 3
allow_kernel_rules: true
conntrack: {nf_conntrack_max: 77}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	base := func(change func(*settings.Settings)) settings.Settings {
		s := settings.Default()
		s.Rules, s.Ports = "/r.nft", []settings.Port{{Name: "a"}, {Name: "b"}}
		change(&s)
		return s
	}
	ofFile := func(s *settings.Settings) {
		s.Ports[0].Untrusted, s.Ring, s.Workers, s.AllowKernelRules, s.Conntrack.Max = true, 512, 3, true, 77
	}
	for _, row := range []struct {
		args string
		want settings.Settings
	}{
		{"--port a --port b --rules /r.nft", base(func(*settings.Settings) {})},
		{"--port a --port b --rules /r.nft --untrusted b --mode wire --workers 2 --xdp-mode copy --backend asavie --ring 256 --frames 9000 " +
			"--allow-kernel-rules --open-on-exit --no-host-path --control /s --log-level debug", base(func(s *settings.Settings) {
			s.Ports[1].Untrusted, s.Mode, s.Workers, s.XDPMode, s.Backend, s.Ring, s.Frames = true, "wire", 2, "copy", "asavie", 256, 9000
			s.AllowKernelRules, s.OpenOnExit, s.HostPath, s.Control, s.LogLevel = true, true, false, "/s", "debug"
		})},
		{"-c " + yaml, base(ofFile)},
		{"-c " + yaml + " --workers 0 --allow-kernel-rules=false --untrusted b", base(func(s *settings.Settings) {
			ofFile(s)
			s.Workers, s.AllowKernelRules, s.Ports[1].Untrusted = 0, false, true
		})},
		{"-c " + yaml + " --port c --rules q.nft --mode router --xdp-mode copy --backend own --ring 64 --frames 90000 --control /s --open-on-exit --log-level warn --no-host-path",
			base(func(s *settings.Settings) {
				ofFile(s)
				s.Ports, s.Rules, s.XDPMode, s.Ring, s.Frames = []settings.Port{{Name: "c"}}, "q.nft", "copy", 64, 90000
				s.Control, s.OpenOnExit, s.LogLevel, s.HostPath = "/s", true, "warn", false
			})},
	} {
		var f runFlags
		cmd := &cobra.Command{}
		f.flags(cmd)
		if err := cmd.ParseFlags(strings.Fields(row.args)); err != nil {
			t.Errorf("%s: %v", row.args, err)
			continue
		}
		got, err := f.settings(cmd)
		if err != nil {
			t.Errorf("%s: %v", row.args, err)
			continue
		}
		if got := exported(got); !reflect.DeepEqual(got, exported(row.want)) {
			t.Errorf("%s:\n%+v\nwant\n%+v", row.args, got, exported(row.want))
		}
	}
}

// exported are the fields of settings that have a key.
func exported(s settings.Settings) map[string]any {
	fields := map[string]any{}
	for i, v := 0, reflect.ValueOf(s); i < v.NumField(); i++ {
		if f := v.Type().Field(i); f.IsExported() {
			fields[f.Name] = v.Field(i).Interface()
		}
	}
	return fields
}

func TestClientsGolden(t *testing.T) {
	const nobody = "--control testdata/none.sock"
	for _, row := range []struct{ name, args string }{
		{"nft-nobody", "nft " + nobody + " list ruleset"},
		{"nft-nothing", "nft " + nobody},
		{"nft-both", "nft " + nobody + " -f x.nft list ruleset"},
		{"nft-missing-file", "nft " + nobody + " -f testdata/absent.nft"},
		{"conntrack-nobody", "conntrack -L " + nobody},
		{"conntrack-nothing", "conntrack " + nobody},
		{"conntrack-two", "conntrack -L -C " + nobody},
		{"conntrack-filter", "conntrack -F -p tcp " + nobody},
		{"conntrack-protocol", "conntrack -L -p nothing " + nobody},
		{"conntrack-invalid", "conntrack --invalid -L " + nobody},
		{"proc-nobody", "proc stat " + nobody},
		{"proc-which", "proc nf_tables " + nobody},
		{"conntrack-table", "conntrack -L expect " + nobody},
		{"status-nobody", "status " + nobody},
		{"run-nothing", "run"},
	} {
		t.Run(row.name, func(t *testing.T) {
			args := strings.Fields(row.args)
			status, stdout, stderr := sluice(t, "", args...)
			golden(t, row.name+".golden", transcript(args, status, stdout, stderr))
		})
	}
}

func TestPrintStatus(t *testing.T) {
	s := control.Status{
		PID: 7, Version: "v1", Mode: "router", UptimeSec: 3725.4, Control: "/run/sluice/1.sock",
		Ports: []control.PortStatus{
			{Name: "eth0", Up: true, Driver: "ixgbe", Backend: "own", XDP: "native", Mode: "zero-copy", Queues: 4, MTU: 1500, RxRate: 1234567.8, TxRate: 3,
				RxPackets: 1 << 33, TxPackets: 5, Addresses: []string{"192.0.2.1/24", "2001:db8::1/64"}, Lost: map[string]uint64{"rx-ring-full": 9, "no-frame-or-too-long": 1}},
			{Name: "tap0", Backend: "asavie", XDP: "generic", Mode: "copy", Queues: 1, MTU: 1400},
		},
		Workers: []control.WorkerStatus{{RxPackets: 10, TxPackets: 9, RxRate: 2, TxRate: 1, HandoversIn: 3, HandoversOut: 4, Dropped: 5}, {}},
		Rules:   control.RuleStatus{Generation: 4, File: "home.nft", Scripts: 2, Rules: 1},
		Flows:   12, MaxFlows: 1024, Drops: map[string]uint64{"policy": 5, "no-route": 70, "ttl": 5},
		ICMPUnsent: control.ICMPUnsent{Limited: 1, NoSource: 2}, LogsLost: 3, Frames: 100, FreeFrames: 90,
		Mirror:  &control.MirrorStatus{Routes: 4, Neighbours: 1, Applied: 6, Overflows: 1, PolicyRules: 2},
		Guard:   control.GuardStatus{Installed: true, Untrusted: []string{"eth0"}, OpenOnExit: true},
		Trouble: []string{"channels of eth0 have changed"}, KernelRules: []string{"table ip x, chain y"},
	}
	var out bytes.Buffer
	if err := printStatus(&out, &s); err != nil {
		t.Fatal(err)
	}
	if err := printStatus(&out, &control.Status{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "status.golden", out.String())
}
