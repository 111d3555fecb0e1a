package main

import (
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/cmd/sluice/doctor"
	"github.com/sluice-net/sluice/cmd/sluice/settings"
)

// exitWarned is the status of a doctor who has warnings and no errors.
const exitWarned = 3

func newDoctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor [IF...]",
		Short: "check this machine and interfaces, and say what mends what is wrong",
		Long: `Checks the machine and the interfaces named, or the Ethernet interfaces of
this network namespace that are up: kernel, privileges, memory, drivers, queues, offloads, rings,
MTU, interrupts, programs and rules of others. It changes nothing. What can be
mended stands with the command that does it.

Exit status: 0 when all is fine or there are notes only, 1 when there are errors,
which keep a box from starting, 3 when there are warnings.`,
		Example: `  sluice doctor
  sluice doctor eth0 eth1`,
		RunE: func(cmd *cobra.Command, names []string) error {
			all := names
			if len(names) == 0 {
				var err error
				if all, err = ethernets(); err != nil {
					return failed(err)
				}
			}
			machine := doctor.ReadMachine()
			var list []doctor.Finding
			set := settings.Default()
			queues, mtu := 0, 0
			for _, name := range all {
				i, err := doctor.ReadInterface(name)
				if err != nil {
					list = append(list, doctor.Finding{Level: doctor.Error, About: name, Text: err.Error()})
					continue
				}
				list = append(list, i.Check(machine.CPUs)...)
				set.Ports = append(set.Ports, settings.Port{Name: name})
				if mtu = max(mtu, i.MTU); queues == 0 || i.Channels < queues {
					queues = i.Channels
				}
			}
			if machine.HugePageKiB > 0 && queues > 0 {
				machine.Workers = set.WorkersFor(queues, machine.CPUs)
				machine.HugeWanted = set.FrameHugePages(machine.Workers, mtu, machine.HugePageKiB)
			}
			list = slices.Concat(machine.Check(), list)
			worst, err := doctor.Print(cmd.OutOrStdout(), list)
			switch {
			case err != nil:
				return failed(err)
			case worst == doctor.Error:
				return errReported
			case worst == doctor.Warning:
				return exitStatus(exitWarned)
			}
			return nil
		},
	}
}

// ethernets lists the interfaces that are up and could be ports. The ends of host paths are
// the box's own.
func ethernets() ([]string, error) {
	links, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, l := range links {
		if l.Flags&net.FlagUp != 0 && len(l.HardwareAddr) == 6 && !strings.HasPrefix(l.Name, "slb") && !strings.HasPrefix(l.Name, "slk") {
			names = append(names, l.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}
