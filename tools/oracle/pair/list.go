package pair

import (
	"fmt"
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

// List returns what `nft list ruleset` prints.
func (k *Kernel) List() (string, error) {
	out, err := k.lab.Command(boxNode, "nft", "list", "ruleset").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("nft list ruleset: %w: %s", err, out)
	}
	return string(out), nil
}

// List prints the rules in force as nft does, with what they have counted and
// remembered.
func (s *Sluice) List() string {
	live := map[*nft.Counter][2]uint64{}
	for _, c := range s.box.Counters() {
		live[c.Counter] = [2]uint64{c.Packets, c.Bytes}
	}
	rs := s.box.Rules()
	var b strings.Builder
	_ = nft.Fprint(&b, rs.Tree, nft.PrintOptions{ // a builder takes everything
		Counters: func(c *nft.Counter) (packets, bytes uint64) { return c.Packets + live[c][0], c.Bytes + live[c][1] },
		Quotas:   rs.QuotaUsed,
		Elements: func(set *nft.Set) []*nft.Element { return rs.Elements(set, s.clock.Nanos()) },
	})
	return b.String()
}

// Change runs a command of nft, and returns the reason if it is refused.
func (k *Kernel) Change(command string) string {
	k.rules = "" // those of the next case are loaded even if they are the same
	out, err := k.lab.Command(boxNode, "nft", command).CombinedOutput()
	return reason(string(out), err)
}

// Change is the same for the box.
func (s *Sluice) Change(command string) string {
	rs := s.box.Rules()
	opt := nft.ParseOptions{Elements: func(set *nft.Set) []*nft.Element { return rs.Elements(set, s.clock.Nanos()) }}
	out, err := nft.Run(rs.Tree, "command", []byte(command+"\n"), opt, nft.PrintOptions{})
	if err != nil {
		return reason(err.Error(), err)
	}
	next, err := s.box.Compile(out.Rules)
	if err == nil {
		_, err = s.box.Publish(next)
	}
	if err != nil {
		return reason(err.Error(), err)
	}
	return ""
}

// reason is why nft refuses a command, as the kernel's errors are worded.
func reason(text string, err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(text, "\n")
	if _, why, ok := strings.Cut(line, "Could not process rule: "); ok {
		why, _, _ = strings.Cut(why, ":") // of sluice's, what follows says more
		return why
	}
	if _, why, ok := strings.Cut(line, "Error: "); ok {
		return why
	}
	return line
}
