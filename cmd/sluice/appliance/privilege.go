package appliance

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Numbers of capabilities, linux/capability.h.
const (
	capNetAdmin = 12
	capNetRaw   = 13
	capSysAdmin = 21 // includes capBPF
	capBPF      = 39
)

// errPrivilege says what a box needs.
var errPrivilege = errors.New("not permitted: run as root, or with CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF")

// checkPrivilege finds out before anything is opened whether this process may do
// all that a box does, so that the error is one and not whichever step fails.
func checkPrivilege() error {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return fmt.Errorf("read the capabilities of this process: %w", err)
	}
	caps, err := effective(string(text))
	if err != nil {
		return err
	}
	if missing := missingCaps(caps); len(missing) > 0 {
		return fmt.Errorf("%w; missing: %s", errPrivilege, strings.Join(missing, ", "))
	}
	return nil
}

// effective reads the effective capabilities out of a status file.
func effective(status string) (uint64, error) {
	for line := range strings.Lines(status) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			return strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		}
	}
	return 0, errors.New("read the capabilities of this process: the kernel does not tell them")
}

func missingCaps(caps uint64) []string {
	has := func(c uint) bool { return caps>>c&1 == 1 }
	var missing []string
	for _, c := range []struct {
		name   string
		number uint
	}{{"CAP_NET_ADMIN", capNetAdmin}, {"CAP_NET_RAW", capNetRaw}, {"CAP_BPF", capBPF}} {
		if !has(c.number) && (c.number != capBPF || !has(capSysAdmin)) {
			missing = append(missing, c.name)
		}
	}
	return missing
}
