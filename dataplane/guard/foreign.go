package guard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

var familyNames = map[nftables.TableFamily]string{
	nftables.TableFamilyIPv4: "ip",
	nftables.TableFamilyIPv6: "ip6",
	nftables.TableFamilyINet: "inet",
}

var hookNames = map[nftables.ChainHook]string{
	unix.NF_INET_PRE_ROUTING:  "prerouting",
	unix.NF_INET_LOCAL_IN:     "input",
	unix.NF_INET_FORWARD:      "forward",
	unix.NF_INET_LOCAL_OUT:    "output",
	unix.NF_INET_POST_ROUTING: "postrouting",
}

// legacyTables are the files that list the loaded tables of legacy iptables in
// the network namespace of the calling thread.
var legacyTables = [...]struct{ path, program string }{
	{"/proc/thread-self/net/ip_tables_names", "iptables-legacy"},
	{"/proc/thread-self/net/ip6_tables_names", "ip6tables-legacy"},
}

// Foreign lists what else the kernel would filter or translate local traffic
// with, in the network namespace of the calling thread: one line each, sorted,
// for people. Base chains without a rule and with policy accept do nothing and
// are left out. Of legacy iptables only the names of loaded tables are known.
func Foreign() ([]string, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, fmt.Errorf("guard: nftables: %w", err)
	}
	chains, err := c.ListChains()
	if err != nil {
		return nil, fmt.Errorf("guard: list chains: %w", err)
	}
	var found []string
	for _, ch := range chains {
		family, ok := familyNames[ch.Table.Family]
		if !ok || ch.Hooknum == nil || (ch.Table.Name == Table && ch.Table.Family == nftables.TableFamilyINet) {
			continue
		}
		hook, ok := hookNames[*ch.Hooknum]
		if !ok {
			continue
		}
		rules, err := c.GetRules(ch.Table, ch)
		if errors.Is(err, unix.ENOENT) {
			continue // gone since it was listed
		}
		count := fmt.Sprintf("%d rules", len(rules))
		if err != nil { // rules that the library cannot read are rules
			count = "rules that cannot be read"
		}
		policy := "accept"
		if ch.Policy != nil && *ch.Policy == nftables.ChainPolicyDrop {
			policy = "drop"
		}
		if err == nil && len(rules) == 0 && policy == "accept" {
			continue
		}
		var at nftables.ChainPriority
		if ch.Priority != nil {
			at = *ch.Priority
		}
		found = append(found, fmt.Sprintf("table %s %s, chain %s: type %s hook %s priority %d policy %s, %s",
			family, ch.Table.Name, ch.Name, ch.Type, hook, at, policy, count))
	}
	for _, l := range legacyTables {
		names, err := os.ReadFile(l.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // this kernel has none, or none is loaded
		}
		if err != nil {
			return nil, fmt.Errorf("guard: legacy tables: %w", err)
		}
		found = append(found, legacyLines(l.program, string(names))...)
	}
	slices.Sort(found)
	return found, nil
}

// legacyLines says which tables are loaded, given their names one a line.
func legacyLines(program, names string) []string {
	var lines []string
	for _, name := range strings.Fields(names) {
		lines = append(lines, fmt.Sprintf("%s: table %s is loaded (see %s -t %s -S)", program, name, program, name))
	}
	return lines
}
