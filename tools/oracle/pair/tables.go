package pair

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/rules/iptables"
	"github.com/sluice-net/sluice/rules/nft"
	"github.com/sluice-net/sluice/tools/lab"
)

// dump says that a case's rules are a dump of iptables.
func (c *Case) dump() bool { return strings.HasPrefix(c.Rules, "*") }

func (c *Case) tool() string { return tableFamily(c.Six).Tool() }

func tableFamily(six bool) iptables.Family {
	if six {
		return iptables.IPv6
	}
	return iptables.IPv4
}

// emptyTables is what the kernel's tables are reset to: a policy stays that nobody names.
const emptyTables = `*raw
:PREROUTING ACCEPT
:OUTPUT ACCEPT
COMMIT
*mangle
:PREROUTING ACCEPT
:INPUT ACCEPT
:FORWARD ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
COMMIT
*nat
COMMIT
*filter
:INPUT ACCEPT
:FORWARD ACCEPT
:OUTPUT ACCEPT
COMMIT
*security
:INPUT ACCEPT
:FORWARD ACCEPT
:OUTPUT ACCEPT
COMMIT
`

// tables puts a dump in force with the kernel's own tables, which nft's are not
// part of, or takes the one of the case before away.
func (k *Kernel) tables(c *Case) error {
	if k.tool != "" {
		if err := feed(k.lab.Command(boxNode, k.tool+"-legacy-restore"), emptyTables); err != nil {
			return err
		}
		k.tool = ""
	}
	if !c.dump() {
		return nil
	}
	k.tool, k.named = c.tool(), c.Rules
	return feed(k.lab.Command(boxNode, k.tool+"-legacy-restore"), c.Rules)
}

func feed(c *lab.Cmd, text string) error {
	c.Stdin = strings.NewReader(text)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", c.Path, err, bytes.TrimSpace(out))
	}
	return nil
}

// tableCounters lists the counters of the kernel's tables.
func (k *Kernel) tableCounters() ([]Counter, error) {
	out, err := k.lab.Command(boxNode, k.tool+"-legacy-save", "-c").Output()
	if err != nil {
		return nil, fmt.Errorf("%s-legacy-save: %w", k.tool, err)
	}
	return saved(string(out), k.named), nil
}

// loadTables puts a dump in force in a box.
func loadTables(box *dataplane.Box, c *Case) error {
	rs, err := iptables.Restore(nil, tableFamily(c.Six), "rules", []byte(c.Rules), iptables.RestoreOptions{})
	if err != nil {
		return err
	}
	tree := &nft.Ruleset{}
	s, err := iptables.Lower(rs, rs.Tables, tree, iptables.Given{})
	if err != nil {
		return err
	}
	out, err := s.Run(tree)
	if err != nil {
		return err
	}
	compiled, err := box.Compile(out.Rules)
	if err != nil {
		return err
	}
	_, err = box.Publish(compiled)
	return err
}

// unsaid is what iptables-legacy-save leaves out of a rule.
var unsaid = strings.NewReplacer(" ! -i +", "", " ! -o +", "")

// tableCounters lists the counters of a box's tables.
func (s *Sluice) tableCounters() []Counter {
	live := map[*nft.Counter]Counter{}
	for _, t := range s.box.Counters() {
		live[t.Counter] = Counter{Packets: t.Packets, Bytes: t.Bytes}
	}
	rs, _ := iptables.FromTree(s.box.Rules().Tree, s.tables, func(c *nft.Counter) (packets, bytes uint64) {
		return live[c].Packets, live[c].Bytes
	})
	var out strings.Builder
	_ = rs.Save(&out, iptables.SaveOptions{Counters: true}) // a builder takes everything
	return saved(unsaid.Replace(out.String()), s.named)
}

// saved reads the counters of a dump in tables that another one, rules, names; each
// is called by its table and its line.
func saved(dump, rules string) (all []Counter) {
	table := ""
	for line := range strings.Lines(dump) {
		line = strings.TrimSpace(line)
		c, text := Counter{}, ""
		switch {
		case table != "" && line[:min(len(line), 1)] != "*" && !strings.Contains(rules, table+"\n"):
			continue
		case strings.HasPrefix(line, "*"):
			table = line
			continue
		case strings.HasPrefix(line, ":") && !strings.Contains(line, " - "):
			chain, counters, _ := strings.Cut(line, " [")
			text = chain
			_, _ = fmt.Sscanf(counters, "%d:%d]", &c.Packets, &c.Bytes)
		case strings.HasPrefix(line, "["):
			counters, rule, _ := strings.Cut(line, "] ")
			text = rule
			_, _ = fmt.Sscanf(counters, "[%d:%d", &c.Packets, &c.Bytes)
		default:
			continue
		}
		c.Chain = table + " " + text
		for _, before := range all {
			if before.Chain == c.Chain {
				c.Number++
			}
		}
		all = append(all, c)
	}
	// Tables come in no order that means anything.
	slices.SortStableFunc(all, func(a, b Counter) int {
		x, _, _ := strings.Cut(a.Chain, " ")
		y, _, _ := strings.Cut(b.Chain, " ")
		return strings.Compare(x, y)
	})
	return all
}
