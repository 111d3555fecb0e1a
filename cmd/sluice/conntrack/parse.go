package conntrack

import (
	"fmt"
	"io"
	"strings"

	"github.com/sluice-net/sluice/cmd/sluice/getopt"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/flowtable/conntracktext"
)

// parser reads one command line.
type parser struct {
	c       *Command
	g       *getopt.Scanner
	warn    io.Writer                               // the tool's standard error
	labels  func() (*conntracktext.LabelMap, error) // reads the label file
	proto   *protocol                               // of the last -p
	given   uint32                                  // options of the protocol, by number
	dynamic int                                     // protocols met so far
}

// protocolOffset separates values of a protocol's options from the others.
const protocolOffset = 256

// Parse reads a command line without the program's name. Warnings, which end
// nothing, go to warn. labels reads the file with the names of labels; it is
// called when they are needed. Errors are of type *Error.
func Parse(args []string, labels func() (*conntracktext.LabelMap, error), warn io.Writer) (*Command, error) {
	a := &parser{c: &Command{Verb: None}, warn: warn, labels: labels}
	a.g = &getopt.Scanner{
		Args: append([]string{programName}, args...), Short: shortOptions, Long: append([]getopt.Option(nil), longOptions...),
	}
	for {
		option := a.g.Next()
		if option == getopt.End {
			break
		}
		if err := a.option(option); err != nil {
			return nil, err
		}
	}
	return a.c, a.finish()
}

func (a *parser) option(o int) error {
	c, arg := a.c, a.g.Arg
	switch o {
	case 'L', 'I', 'D', 'G', 'F', 'E', 'V', 'h', 'C', 'S', 'U', 'A':
		return a.verb(o)
	case 's', 'd', 'r', 'q', '[', ']', '{', '}':
		return a.address(o, arg)
	case 'p':
		c.Options |= OptProto
		p := findProtocol(arg)
		if p == nil {
			return usagef("`%s' unsupported protocol", arg)
		}
		a.proto = p
		a.dynamic++
		for _, l := range p.long {
			l.Val += a.dynamic * protocolOffset
			a.g.Long = append(a.g.Long, l)
		}
		c.Object.Orig.Proto = p.num
		c.Object.Set |= AttrProto
	case 't':
		c.Options |= OptTimeout
		c.Object.Timeout = uint32(parseDecimal(arg))
		c.Object.Set |= AttrTimeout
	case 'u':
		c.Options |= OptStatus
		if err := parseStatus(arg, &c.Object.Status, &c.Status.Mask, a.warn); err != nil {
			return err
		}
		c.Object.Set |= AttrStatus
		if c.Status.Mask == 0 {
			c.Status.Mask = c.Object.Status
		}
		c.Status.Value = c.Object.Status
	case 'e':
		c.Options |= OptEventMask
		return parseWords(arg, eventWords, &c.Events, a.warn)
	case 'o':
		return a.output(arg)
	case 'z':
		c.Options |= OptZero
	case 'n', 'g', 'j':
		return a.nat(o)
	case 'w', '(', ')':
		n := uint16(parseC(arg))
		switch o {
		case 'w':
			c.Options, c.Object.Zone, c.Object.Set = c.Options|OptZone, n, c.Object.Set|AttrZone
		case '(':
			c.Options, c.Object.OrigZone, c.Object.Set = c.Options|OptOrigZone, n, c.Object.Set|AttrOrigZone
		case ')':
			c.Options, c.Object.ReplyZone, c.Object.Set = c.Options|OptReplyZone, n, c.Object.Set|AttrReplyZone
		}
	case 'i':
		c.Options, c.Object.ID, c.Object.Set = c.Options|OptID, uint32(parseC(arg)), c.Object.Set|AttrID
	case 'c':
		c.Options, c.Object.Set = c.Options|OptSecmark, c.Object.Set|AttrSecmark
	case 'm':
		c.Options |= OptMark
		value, mask, masked := strings.Cut(arg, "/")
		c.Mark = Masked{uint32(parseC(value)), ^uint32(0)}
		if masked {
			c.Mark.Mask = uint32(parseC(mask))
		}
	case 'l', '<', '>':
		return a.label(o, arg)
	case 'a':
		fmt.Fprintf(a.warn, "WARNING: ignoring -%c, deprecated option.\n", o)
	case 'f':
		c.Options |= OptFamily
		switch {
		case strings.HasPrefix(arg, "ipv4"):
			return a.family(flowtable.FamilyIPv4)
		case strings.HasPrefix(arg, "ipv6"):
			return a.family(flowtable.FamilyIPv6)
		}
		return usagef("`%s' unsupported protocol", arg)
	case 'b':
		c.Options |= OptBufferSize
	case getopt.Missing:
		return usagef("option `%s' requires an argument", a.g.Word())
	case getopt.Unknown:
		return usagef("unknown option `%s'", a.g.Word())
	default:
		if o >= a.dynamic*protocolOffset { // options of an earlier -p do nothing
			o -= a.dynamic * protocolOffset
			a.given |= 1 << o
			return a.proto.set(a, o, arg)
		}
	}
	return nil
}

func (a *parser) verb(o int) error {
	table := TableConntrack
	if name, ok := a.g.Optional(); ok {
		switch {
		case strings.HasPrefix("expect", name):
			table = TableExpect
		case strings.HasPrefix("conntrack", name):
		case strings.HasPrefix("dying", name):
			table = TableDying
		case strings.HasPrefix("unconfirmed", name):
			table = TableUnconfirmed
		default:
			return usagef("unknown type `%s'", name)
		}
	}
	a.c.Table = table
	which := 0
	switch table {
	case TableExpect:
		which = 1
	case TableDying, TableUnconfirmed:
		if o != 'L' {
			return usagef("Can't do that command with tables `dying' and `unconfirmed'")
		}
	}
	verb := verbLetters[o][which]
	if verb == None {
		name := "unknown"
		for _, l := range longOptions {
			if l.Val == o {
				name = l.Name
			}
		}
		return usagef("Can't do --%s on expectations", name)
	}
	if a.c.Verb != None {
		return usagef("Invalid commands combination")
	}
	a.c.Verb = verb
	return nil
}

func (a *parser) family(f uint8) error {
	if a.c.Family != 0 && a.c.Family != f {
		return usagef("mismatched address family")
	}
	a.c.Family = f
	return nil
}

// address takes an option that is an address, with a prefix length where there
// is a mask for it.
func (a *parser) address(o int, arg string) error {
	c := a.c
	ad := parseAddress(arg)
	if ad == nil {
		return usagef("Invalid IP address `%s'", arg)
	}
	if err := a.family(ad.family); err != nil {
		return err
	}
	type target struct {
		option  Option
		object  *Object
		attr    Attr
		name    string
		canMask bool
	}
	targets := map[int]target{
		's': {OptOrigSrc, &c.Object, AttrOrigSrc, "", true}, 'd': {OptOrigDst, &c.Object, AttrOrigDst, "", true},
		'r': {OptReplySrc, &c.Object, AttrReplySrc, "reply-src", false}, 'q': {OptReplyDst, &c.Object, AttrReplyDst, "reply-dst", false},
		'[': {OptExpSrc, &c.ExpTuple, AttrOrigSrc, "", true}, ']': {OptExpDst, &c.ExpTuple, AttrOrigDst, "", true},
		'{': {OptMaskSrc, &c.Mask, AttrOrigSrc, "mask-src", false}, '}': {OptMaskDst, &c.Mask, AttrOrigDst, "mask-dst", false},
	}
	t := targets[o]
	switch {
	case ad.bits != -1 && !t.canMask:
		return usagef("CIDR notation unavailable for `--%s'", t.name)
	case ad.bits == -2:
		return usagef("Invalid netmask")
	}
	c.Options |= t.option
	t.object.setAddress(t.attr, ad)
	if ad.bits == -1 || ad.bits == addressBits(ad.family) {
		return nil
	}
	mask := &address{family: ad.family, bytes: netmask(ad.family, ad.bits)}
	c.Mask.setAddress(t.attr, mask)
	if t.attr == AttrOrigSrc {
		c.Options |= OptMaskSrc
	} else {
		c.Options |= OptMaskDst
	}
	return nil
}

func addressBits(family uint8) int {
	if family == flowtable.FamilyIPv4 {
		return 32
	}
	return 128
}

func (o *Object) setAddress(attr Attr, ad *address) {
	to := map[Attr]*[16]byte{
		AttrOrigSrc: &o.Orig.Src, AttrOrigDst: &o.Orig.Dst, AttrReplySrc: &o.Reply.Src, AttrReplyDst: &o.Reply.Dst,
		AttrSNAT: &o.SNAT, AttrDNAT: &o.DNAT,
	}[attr]
	*to = ad.bytes
	o.Set |= attr
	o.Family = ad.family
	o.Orig.Family, o.Reply.Family = ad.family, ad.family
}

// nat takes -n, -g and -j, which may have an address and a port.
func (a *parser) nat(o int) error {
	c := a.c
	c.Options |= map[int]Option{'n': OptSrcNAT, 'g': OptDstNAT, 'j': OptAnyNAT}[o]
	arg, ok := a.g.Optional()
	if !ok {
		return nil
	}
	host, port, hasPort, err := splitPort(arg)
	if err != nil {
		return err
	}
	ad := parseAddress(host)
	if ad == nil {
		return usagef("Invalid IP address `%s'", host)
	}
	if err := a.family(ad.family); err != nil {
		return err
	}
	if ad.bits != -1 {
		return usagef("CIDR notation unavailable for `--%s'", map[int]string{'n': "src-nat", 'g': "dst-nat", 'j': "any-nat"}[o])
	}
	if o != 'g' {
		c.Object.setAddress(AttrSNAT, ad)
		if hasPort {
			c.Object.SNATPort, c.Object.Set = port, c.Object.Set|AttrSNATPort
		}
	}
	if o != 'n' {
		c.Object.setAddress(AttrDNAT, ad)
		if hasPort {
			c.Object.DNATPort, c.Object.Set = port, c.Object.Set|AttrDNATPort
		}
	}
	return nil
}

// splitPort splits ADDRESS:PORT or [ADDRESS]:PORT. Brackets stay around an
// address without port, which makes it none.
func splitPort(arg string) (host string, port uint16, hasPort bool, err error) {
	host = arg
	text := ""
	if _, inner, bracket := strings.Cut(arg, "["); bracket {
		in, after, closed := strings.Cut(inner, "]")
		switch {
		case closed && in == "":
			return "", 0, false, usagef("No IPv6 address specified")
		case !closed:
			return "", 0, false, usagef("No closing ']' around IPv6 address")
		}
		if _, text, hasPort = strings.Cut(after, ":"); hasPort {
			host = in
		}
	} else if before, after, colon := strings.Cut(arg, ":"); colon && !strings.Contains(after, ":") {
		host, text, hasPort = before, after, true
	}
	if !hasPort {
		return host, 0, false, nil
	}
	if text == "" {
		return "", 0, false, usagef("No port specified after `:'")
	}
	n, end := uint64(0), len(decimalPrefix(text))
	if end == len(text) && text[0] >= '0' {
		n = parseDecimal(text)
	} else {
		n = 1 << 16
	}
	if n > 0xffff {
		return "", 0, false, usagef("Invalid port `%s'", text)
	}
	return host, uint16(n), true, nil
}

func (a *parser) output(arg string) error {
	c := a.c
	c.Options |= OptOutput
	out := uint32(c.Output)
	words := outputWords
	if arg == "json" { // an addition: only the whole word
		words = []word{{"json", uint32(OutJSON)}}
	}
	err := parseWords(arg, words, &out, a.warn)
	c.Output = Output(out)
	if err != nil {
		return err
	}
	const other = OutXML | OutExtended | OutTimestamp | OutID | OutKernelTimestamp | OutLabels | OutJSON
	if c.Output&OutSave != 0 && c.Output&other != 0 {
		return failf("cannot combine save output with any other output type, use -o save only")
	}
	if c.Output&OutJSON != 0 && c.Output&OutXML != 0 {
		return failf("cannot combine json output with xml")
	}
	if c.Output&OutLabels != 0 {
		a.readLabels()
	}
	return nil
}

// readLabels reads the names of labels, once it worked.
func (a *parser) readLabels() {
	if a.c.Labels != nil {
		return
	}
	m, err := a.labels()
	if err != nil {
		fmt.Fprintf(a.warn, "nfct_labelmap_new: %s\n", errorText(err))
		return
	}
	a.c.Labels = m
}

func (a *parser) label(o int, arg string) error {
	c := a.c
	c.Options |= map[int]Option{'l': OptLabel, '<': OptAddLabel, '>': OptDelLabel}[o]
	if c.Options&OptAddLabel != 0 && c.Options&OptDelLabel != 0 {
		return failf("cannot use --label-add and --label-del at the same time")
	}
	a.readLabels()
	if o == '>' {
		names, ok := a.g.Optional()
		if !ok {
			c.AllLabels = true
			return nil
		}
		arg = names
	}
	to := &c.LabelModify
	if o == 'l' {
		to = &c.Label
	}
	for name := range strings.SplitSeq(arg, ",") {
		bit := -1
		if c.Labels != nil {
			bit = c.Labels.Bit(name)
		}
		if bit < 0 {
			return usagef("unknown label '%s'", name)
		}
		if bit < conntracktext.Labels { // the kernel has no more either
			to[bit>>3] |= 1 << (bit & 7)
		}
	}
	return nil
}

// finish completes the command and checks what goes together.
func (a *parser) finish() error {
	c := a.c
	if c.Family == 0 {
		switch c.Verb {
		case List, Update, Delete, Get, Flush, Events:
		default:
			c.Family = flowtable.FamilyIPv4
		}
	}
	if c.Has(OptAnyNAT) && c.Has(OptSrcNAT|OptDstNAT) {
		return usagef("cannot specify `--src-nat' or `--dst-nat' with `--any-nat'")
	}
	row := ""
	if int(c.Verb) < verbs {
		row = verbOptions[c.Verb]
	}
	partial, err := check(uint32(c.Options), row, optionNames, [2]uint32{uint32(optOrig), uint32(optReply)})
	switch {
	case err != nil:
		return err
	case partial == 0:
		return usagef("you have to specify `--src' and `--dst'")
	case partial == 1:
		return usagef("you have to specify `--reply-src' and `--reply-dst'")
	}
	if p := a.proto; p != nil && p.set != nil && c.Verb != Help && int(c.Verb) < verbs {
		partial, err := check(a.given, p.rows[c.Verb], p.names, p.pairs)
		if err != nil {
			return err
		}
		if partial >= 0 {
			return usagef("%s", p.partial[partial])
		}
	}
	if c.Verb == List && c.Has(OptZero) && c.Has(optComparison) && c.Table == TableConntrack {
		return usagef("Can't use -z with filtering parameters")
	}
	switch c.Verb {
	case List, Update, Delete, Events:
		if c.Has(OptMaskSrc) && !c.Has(OptOrigSrc) {
			return usagef("Can't use --mask-src without --src")
		}
		if c.Has(OptMaskDst) && !c.Has(OptOrigDst) {
			return usagef("Can't use --mask-dst without --dst")
		}
	}
	return nil
}
