package guard

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// Table is the name of the guard table, family inet.
const Table = "sluice_guard"

// Mark is in the skb mark of every frame that came through the box, under
// MarkMask. The host path sets it as mark = mark &^ MarkMask | Mark and leaves
// the other bits to the administrator.
const (
	Mark     uint32 = 0x51ce0000
	MarkMask uint32 = 0xffff0000
)

// Rule lets new connections from outside to a local service on untrusted ports.
type Rule struct {
	Proto  string       // "tcp" or "udp"
	Port   uint16       // of the service, host byte order
	Source netip.Prefix // zero: from anywhere, IPv4 and IPv6
}

// Config is what Install makes the table from.
type Config struct {
	Ports      []string // interface names of all ports
	Untrusted  []string // those of Ports whose local input is closed
	Management []Rule   // what is let in on them nevertheless
}

// Validate says what is wrong with c, naming the field.
func (c *Config) Validate() error {
	var errs []error
	for _, name := range append(slices.Clone(c.Ports), c.Untrusted...) {
		if name == "" || len(name) >= unix.IFNAMSIZ {
			errs = append(errs, fmt.Errorf("guard: interface name %q must have 1 to %d bytes", name, unix.IFNAMSIZ-1))
		}
	}
	for _, name := range c.Untrusted {
		if !slices.Contains(c.Ports, name) {
			errs = append(errs, fmt.Errorf("guard: untrusted %q is no port", name))
		}
	}
	for i, r := range c.Management {
		if r.Proto != "tcp" && r.Proto != "udp" {
			errs = append(errs, fmt.Errorf("guard: management rule %d: protocol %q is not tcp or udp", i, r.Proto))
		}
		if r.Port == 0 {
			errs = append(errs, fmt.Errorf("guard: management rule %d: no port", i))
		}
		if r.Source != (netip.Prefix{}) && (!r.Source.IsValid() || r.Source.Addr().Is4In6()) {
			errs = append(errs, fmt.Errorf("guard: management rule %d: source %v is no IPv4 or IPv6 prefix", i, r.Source))
		}
	}
	return errors.Join(errs...)
}

// Install puts the table into the network namespace of the calling thread, in
// one transaction that replaces a table of an earlier run. It needs
// CAP_NET_ADMIN; the table stays until Remove or the end of the namespace.
func Install(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("guard: nftables: %w", err)
	}
	// Deleting what is not there would fail the transaction: add, delete, add.
	t := &nftables.Table{Name: Table, Family: nftables.TableFamilyINet}
	c.AddTable(t)
	c.DelTable(t)
	c.AddTable(t)
	addForward(c, t)
	addInput(c, t, &cfg)
	if err := c.Flush(); err != nil {
		return fmt.Errorf("guard: install table inet %s: %w", Table, err)
	}
	return nil
}

// Remove takes the table out of the network namespace of the calling thread.
// It is no error when there is none.
func Remove() error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("guard: nftables: %w", err)
	}
	t := &nftables.Table{Name: Table, Family: nftables.TableFamilyINet}
	c.AddTable(t)
	c.DelTable(t)
	if err := c.Flush(); err != nil {
		return fmt.Errorf("guard: remove table inet %s: %w", Table, err)
	}
	return nil
}

// Installed says whether the table is there.
func Installed() (bool, error) {
	c, err := nftables.New()
	if err != nil {
		return false, fmt.Errorf("guard: nftables: %w", err)
	}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return false, fmt.Errorf("guard: list tables: %w", err)
	}
	return slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == Table }), nil
}
