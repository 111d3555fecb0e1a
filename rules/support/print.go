package support

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

// Fprint writes the matrix as text, a row each: what, in which families, who
// judged it, and why not.
func Fprint(w io.Writer, rows []Row) error {
	b := bufio.NewWriter(w)
	kind := ""
	for i := range rows {
		r := &rows[i]
		if r.Kind != kind {
			if kind = r.Kind; i > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(b, "%-32s %-5s  %-30s %s\n", strings.ToUpper(kind), "", "families", "judged by")
		}
		what := r.Judge
		where := r.Families
		if len(where) == 0 {
			where, what = r.Known, r.Reason
		}
		line := fmt.Sprintf("%-32s %-5s  %-30s %s", r.Name, r.State(), strings.Join(where, " "), what)
		fmt.Fprintln(b, strings.TrimRight(line, " "))
	}
	return b.Flush()
}

// matchOf is a match on a selector with some value.
func matchOf(e nft.Expr, family nft.Family) string {
	t := e.Type()
	data := make([]byte, (e.Bits()+7)/8)
	data[len(data)-1] = 1
	c := &nft.Const{T: t, Data: data, PrefixLen: -1}
	switch t {
	case nft.TypeIfname, nft.TypeString:
		copy(data, "lo")
		data[len(data)-1] = 0
	case nft.TypeIfindex:
		c.Name = "lo"
	case nft.TypeClassid:
		clear(data) // "none": what has a colon is for statements only
	}
	if ct, ok := e.(*nft.CT); ok && family == nft.FamilyIP6 && (ct.Key == nft.CTSaddr || ct.Key == nft.CTDaddr) {
		e = &nft.CT{Key: ct.Key, Dir: ct.Dir, Family: nft.FamilyIP6}
		c.Data = append(make([]byte, 15), 1)
		c.T = nft.TypeIPv6
	}
	text := nft.ExprText(e) + " " + nft.ConstText(c)
	if ct, ok := e.(*nft.CT); ok && (ct.Key == nft.CTProtoSrc || ct.Key == nft.CTProtoDst) {
		text = "meta l4proto tcp " + text
	}
	if p, ok := e.(*nft.Payload); ok && p.Field.Proto == "th" {
		text = "meta l4proto tcp " + text
	}
	return text
}
