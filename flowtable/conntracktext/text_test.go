package conntracktext

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/flowtable"
)

func tuple(proto uint8, src, dst string, sport, dport uint16) flowtable.Tuple {
	tu := flowtable.Tuple{Proto: proto, SrcPort: sport, DstPort: dport, Family: flowtable.FamilyIPv4}
	for _, x := range []struct {
		to   *[16]byte
		text string
	}{{&tu.Src, src}, {&tu.Dst, dst}} {
		a := netip.MustParseAddr(x.text)
		if a.Is6() {
			tu.Family = flowtable.FamilyIPv6
		}
		copy(x.to[:], a.AsSlice())
	}
	return tu
}

func entry(proto uint8, src, dst string, sport, dport uint16, change func(e *Entry)) *Entry {
	e := &Entry{
		Set:  HasTimeout | HasCounters | HasStatus | HasMark | HasStart | HasUse | HasID,
		Orig: tuple(proto, src, dst, sport, dport), Timeout: 299, Use: 1, ID: 956067641, Start: 1795304795157792532,
	}
	e.Reply, _ = flowtable.Invert(&e.Orig)
	if change != nil {
		change(e)
	}
	return e
}

const now = 1795304795

// rows are connections as the tool and the kernel printed them for the same
// entries.
var rows = []struct {
	name                  string
	e                     *Entry
	line, save, xml, proc string
}{
	{
		"zone of the reply", entry(17, "10.0.0.1", "10.0.0.2", 1, 2, func(e *Entry) { e.Set |= HasReplyZone; e.Zone = 9 }),
		"udp      17 299 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 zone-reply=9 packets=0 bytes=0 mark=0 delta-time=0 use=1",
		"-A -t 299 -u UNSET --reply-zone 9 -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p udp --sport 1 --dport 2 --reply-port-src 2 --reply-port-dst 1",
		`<flow><meta direction="original"><layer3 protonum="2" protoname="ipv4"><src>10.0.0.1</src><dst>10.0.0.2</dst></layer3><layer4 protonum="17" protoname="udp"><sport>1</sport><dport>2</dport></layer4><counters><packets>0</packets><bytes>0</bytes></counters></meta><meta direction="reply"><layer3 protonum="2" protoname="ipv4"><src>10.0.0.2</src><dst>10.0.0.1</dst></layer3><layer4 protonum="17" protoname="udp"><sport>2</sport><dport>1</dport></layer4><zone>9</zone><counters><packets>0</packets><bytes>0</bytes></counters></meta><meta direction="independent"><timeout>299</timeout><mark>0</mark><use>1</use><id>956067641</id><unreplied/><deltatime>0</deltatime></meta></flow>`,
		"ipv4     2 udp      17 299 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 zone-reply=9 packets=0 bytes=0 mark=0 delta-time=0 use=2",
	},
	{
		"zone", entry(17, "10.0.0.1", "10.0.0.2", 1, 2, func(e *Entry) { e.Set |= HasZone; e.Zone = 5 }),
		"udp      17 299 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 packets=0 bytes=0 mark=0 zone=5 delta-time=0 use=1",
		"-A -t 299 -u UNSET -w 5 -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p udp --sport 1 --dport 2 --reply-port-src 2 --reply-port-dst 1",
		"", "ipv4     2 udp      17 299 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 packets=0 bytes=0 mark=0 zone=5 delta-time=0 use=2",
	},
	{
		"zone of the original direction", entry(17, "10.0.0.1", "10.0.0.2", 1, 2, func(e *Entry) { e.Set |= HasOrigZone; e.Zone = 7 }),
		"udp      17 299 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 zone-orig=7 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 packets=0 bytes=0 mark=0 delta-time=0 use=1",
		"-A -t 299 -u UNSET --orig-zone 7 -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p udp --sport 1 --dport 2 --reply-port-src 2 --reply-port-dst 1",
		"", "ipv4     2 udp      17 299 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 zone-orig=7 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 packets=0 bytes=0 mark=0 delta-time=0 use=2",
	},
	{
		"sctp", entry(132, "10.0.0.1", "10.0.0.2", 1, 2, func(e *Entry) {
			e.Set |= HasState
			e.State, e.VTag, e.ID = 4, [2]uint32{5, 0x01020304}, 1509315364
			e.Set |= HasVTags
		}),
		"sctp     132 299 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 packets=0 bytes=0 mark=0 delta-time=0 use=1",
		"-A -t 299 -u UNSET -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p sctp --sport 1 --dport 2 --reply-port-src 2 --reply-port-dst 1 --state ESTABLISHED --orig-vtag 83886080 --reply-vtag 67305985",
		`<flow><meta direction="original"><layer3 protonum="2" protoname="ipv4"><src>10.0.0.1</src><dst>10.0.0.2</dst></layer3><layer4 protonum="132" protoname="sctp"><sport>1</sport><dport>2</dport></layer4><counters><packets>0</packets><bytes>0</bytes></counters></meta><meta direction="reply"><layer3 protonum="2" protoname="ipv4"><src>10.0.0.2</src><dst>10.0.0.1</dst></layer3><layer4 protonum="132" protoname="sctp"><sport>2</sport><dport>1</dport></layer4><counters><packets>0</packets><bytes>0</bytes></counters></meta><meta direction="independent"><state>FIN_WAIT</state><timeout>299</timeout><mark>0</mark><use>1</use><id>1509315364</id><unreplied/><deltatime>0</deltatime></meta></flow>`,
		"ipv4     2 sctp     132 299 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 packets=0 bytes=0 mark=0 zone=0 delta-time=0 use=2",
	},
	{
		"gre", entry(47, "10.0.0.1", "10.0.0.2", 0x1234, 7, nil),
		"gre      47 299 src=10.0.0.1 dst=10.0.0.2 srckey=0x1234 dstkey=0x7 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 srckey=0x7 dstkey=0x1234 packets=0 bytes=0 mark=0 delta-time=0 use=1",
		"-A -t 299 -u UNSET -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p gre --srckey 4660 --dstkey 7 --reply-key-src 7 --reply-key-dst 4660",
		"", "ipv4     2 gre      47 299 timeout=0, stream_timeout=0 src=10.0.0.1 dst=10.0.0.2 srckey=0x1234 dstkey=0x7 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 srckey=0x7 dstkey=0x1234 packets=0 bytes=0 mark=0 zone=0 delta-time=0 use=2",
	},
	{
		"icmpv6", entry(58, "2001:db8::1", "2001:db8::2", 77, 128<<8, func(e *Entry) { e.ID = 4211389976 }),
		"icmpv6   58 299 src=2001:db8::1 dst=2001:db8::2 type=128 code=0 id=77 packets=0 bytes=0 [UNREPLIED] src=2001:db8::2 dst=2001:db8::1 type=129 code=0 id=77 packets=0 bytes=0 mark=0 delta-time=0 use=1",
		"-A -t 299 -u UNSET -s 2001:db8::1 -d 2001:db8::2 -r 2001:db8::2 -q 2001:db8::1 -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 77",
		`<flow><meta direction="original"><layer3 protonum="10" protoname="ipv6"><src>2001:db8::1</src><dst>2001:db8::2</dst></layer3><layer4 protonum="58" protoname="icmpv6"></layer4><counters><packets>0</packets><bytes>0</bytes></counters></meta><meta direction="reply"><layer3 protonum="10" protoname="ipv6"><src>2001:db8::2</src><dst>2001:db8::1</dst></layer3><layer4 protonum="58" protoname="icmpv6"></layer4><counters><packets>0</packets><bytes>0</bytes></counters></meta><meta direction="independent"><timeout>299</timeout><mark>0</mark><use>1</use><id>4211389976</id><unreplied/><deltatime>0</deltatime></meta></flow>`,
		"ipv6     10 icmpv6   58 299 src=2001:0db8:0000:0000:0000:0000:0000:0001 dst=2001:0db8:0000:0000:0000:0000:0000:0002 type=128 code=0 id=77 packets=0 bytes=0 [UNREPLIED] src=2001:0db8:0000:0000:0000:0000:0000:0002 dst=2001:0db8:0000:0000:0000:0000:0000:0001 type=129 code=0 id=77 packets=0 bytes=0 mark=0 zone=0 delta-time=0 use=2",
	},
	{
		"both translated", entry(6, "10.0.0.8", "10.0.0.2", 1, 2, func(e *Entry) {
			e.Set |= HasState
			e.State, e.Reply = 7, tuple(6, "192.0.2.7", "192.0.2.1", 2, 777)
			e.Status = flowtable.StatusSeenReply | flowtable.StatusAssured | flowtable.StatusSrcNAT | flowtable.StatusDstNAT
		}),
		"tcp      6 299 TIME_WAIT src=10.0.0.8 dst=10.0.0.2 sport=1 dport=2 packets=0 bytes=0 src=192.0.2.7 dst=192.0.2.1 sport=2 dport=777 packets=0 bytes=0 [ASSURED] mark=0 delta-time=0 use=1",
		"-A -t 299 -u SEEN_REPLY,ASSURED -s 10.0.0.8 -d 10.0.0.2 -g 192.0.2.7 -n 192.0.2.1 -p tcp --sport 1 --dport 2 --reply-port-src 2 --reply-port-dst 777 --state TIME_WAIT",
		"", "ipv4     2 tcp      6 299 TIME_WAIT src=10.0.0.8 dst=10.0.0.2 sport=1 dport=2 packets=0 bytes=0 src=192.0.2.7 dst=192.0.2.1 sport=2 dport=777 packets=0 bytes=0 [ASSURED] mark=0 zone=0 delta-time=0 use=2",
	},
	{
		"dccp, of which nobody knows ports", entry(33, "10.0.0.1", "10.0.0.2", 0, 0, nil),
		"dccp     33 299 src=10.0.0.1 dst=10.0.0.2 sport=0 dport=0 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=0 dport=0 packets=0 bytes=0 mark=0 delta-time=0 use=1",
		"-A -t 299 -u UNSET -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p dccp", "",
		"ipv4     2 unknown  33 299 src=10.0.0.1 dst=10.0.0.2 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 packets=0 bytes=0 mark=0 zone=0 delta-time=0 use=2",
	},
	{
		"unknown", entry(200, "10.0.0.1", "10.0.0.2", 0, 0, nil),
		"unknown  200 299 src=10.0.0.1 dst=10.0.0.2 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 packets=0 bytes=0 mark=0 delta-time=0 use=1",
		"-A -t 299 -u UNSET -s 10.0.0.1 -d 10.0.0.2 -r 10.0.0.2 -q 10.0.0.1 -p 200", "",
		"ipv4     2 unknown  200 299 src=10.0.0.1 dst=10.0.0.2 packets=0 bytes=0 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 packets=0 bytes=0 mark=0 zone=0 delta-time=0 use=2",
	},
}

func TestFormats(t *testing.T) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			for _, x := range []struct {
				name, got, want string
			}{
				{"line", string(AppendLine(nil, row.e, &Options{Now: now})), row.line},
				{"save", string(AppendSave(nil, row.e, EventNone)), row.save},
				{"xml", string(AppendXML(nil, row.e, &Options{Now: now})), row.xml},
				{"proc", string(AppendProc(nil, row.e, now*nanos)), row.proc},
			} {
				if x.want != "" && x.got != x.want {
					t.Errorf("%s\n%s\nwant\n%s", x.name, x.got, x.want)
				}
			}
		})
	}
}

// labelled is a connection with all that only some have.
func labelled() *Entry {
	return entry(17, "10.9.1.1", "10.9.1.2", 34789, 99, func(e *Entry) {
		e.Set |= HasLabels | HasHelper
		e.Labels[0] = 1<<3 | 1<<6
		e.Helper, e.Timeout, e.Packets[0], e.Bytes[0], e.ID = "ftp", 29, 1, 29, 3887182307
		e.Start = 1795305150219107042
	})
}

func TestOptions(t *testing.T) {
	names, err := ReadLabels(strings.NewReader("0 zero\n3 three\n# x\n 5 five-5\n6\n7 bad;name\n0 again\n9 three\n2000 far\n"))
	if err != nil || len(names.Names) != 3 {
		t.Fatalf("%v %v", names, err)
	}
	e, stopped := labelled(), labelled()
	stopped.Stop = e.Start + 2*nanos
	stopped.Set &^= HasUse | HasMark | HasLabels | HasHelper
	fresh := labelled()
	fresh.Set &^= HasUse | HasMark | HasCounters | HasStart | HasHelper
	zone := time.Local
	time.Local = time.UTC
	defer func() { time.Local = zone }()
	for _, row := range []struct{ name, got, want string }{
		{
			"all", string(AppendLine(nil, e, &Options{Layer3: true, ID: true, Timestamps: true, Labels: names, Now: 1795305160})),
			"ipv4     2 udp      17 29 src=10.9.1.1 dst=10.9.1.2 sport=34789 dport=99 packets=1 bytes=29 [UNREPLIED] src=10.9.1.2 dst=10.9.1.1 sport=99 dport=34789 packets=0 bytes=0 mark=0 delta-time=10 [start=Sat Nov 21 23:52:30 2026] helper=ftp use=1 id=3887182307 labels=three",
		},
		{
			"new", string(AppendLine(nil, fresh, &Options{Event: EventNew, ID: true, Labels: names, Now: 1795305160})),
			"    [NEW] udp      17 29 src=10.9.1.1 dst=10.9.1.2 sport=34789 dport=99 [UNREPLIED] src=10.9.1.2 dst=10.9.1.1 sport=99 dport=34789 id=3887182307 labels=three",
		},
		{
			"destroy", string(AppendLine(nil, stopped, &Options{Event: EventDestroy, ID: true, Timestamps: true, Labels: names})),
			"[DESTROY] udp      17 29 src=10.9.1.1 dst=10.9.1.2 sport=34789 dport=99 packets=1 bytes=29 [UNREPLIED] src=10.9.1.2 dst=10.9.1.1 sport=99 dport=34789 packets=0 bytes=0 delta-time=2 [start=Sat Nov 21 23:52:30 2026] [stop=Sat Nov 21 23:52:32 2026] id=3887182307",
		},
		{
			"xml of a new one", string(AppendXML(nil, fresh, &Options{Event: EventNew, When: true, Labels: names, Now: 1795305150})),
			`<flow type="new"><meta direction="original"><layer3 protonum="2" protoname="ipv4"><src>10.9.1.1</src><dst>10.9.1.2</dst></layer3><layer4 protonum="17" protoname="udp"><sport>34789</sport><dport>99</dport></layer4></meta><meta direction="reply"><layer3 protonum="2" protoname="ipv4"><src>10.9.1.2</src><dst>10.9.1.1</dst></layer3><layer4 protonum="17" protoname="udp"><sport>99</sport><dport>34789</dport></layer4></meta><meta direction="independent"><timeout>29</timeout><labels><label>three</label></labels><id>3887182307</id><unreplied/></meta><when><hour>23</hour><min>52</min><sec>30</sec><wday>7</wday><day>21</day><month>11</month><year>2026</year></when></flow>`,
		},
		{
			"xml", string(AppendXML(nil, e, &Options{Timestamps: true, Labels: names, Now: 1795305150})),
			`<flow><meta direction="original"><layer3 protonum="2" protoname="ipv4"><src>10.9.1.1</src><dst>10.9.1.2</dst></layer3><layer4 protonum="17" protoname="udp"><sport>34789</sport><dport>99</dport></layer4><counters><packets>1</packets><bytes>29</bytes></counters></meta><meta direction="reply"><layer3 protonum="2" protoname="ipv4"><src>10.9.1.2</src><dst>10.9.1.1</dst></layer3><layer4 protonum="17" protoname="udp"><sport>99</sport><dport>34789</dport></layer4><counters><packets>0</packets><bytes>0</bytes></counters></meta><meta direction="independent"><timeout>29</timeout><mark>0</mark><labels><label>three</label></labels><use>1</use><id>3887182307</id><unreplied/><timestamp><start>1795305150219107042</start></timestamp><deltatime>0</deltatime></meta><helper>ftp</helper></flow>`,
		},
		{
			"json", string(AppendJSON(nil, e, &Options{Labels: names})),
			`{"family":"ipv4","protocol":"udp","protonum":17,"timeout":29,"original":{"src":"10.9.1.1","dst":"10.9.1.2","sport":34789,"dport":99,"packets":1,"bytes":29},"reply":{"src":"10.9.1.2","dst":"10.9.1.1","sport":99,"dport":34789,"packets":0,"bytes":0},"status":[],"mark":0,"start":"2026-11-21T23:52:30.219107042Z","helper":"ftp","use":1,"id":3887182307,"labels":["three","6"]}`,
		},
		{"update as a command", string(AppendSave(nil, fresh, EventUpdate))[:8], "-U -t 29"},
		{"destroy as a command", string(AppendSave(nil, stopped, EventDestroy))[:8], "-D -t 29"},
	} {
		if row.got != row.want {
			t.Errorf("%s\n%s\nwant\n%s", row.name, row.got, row.want)
		}
	}
	if _, err := ReadLabels(strings.NewReader("# nothing\n")); err != ErrNoLabels {
		t.Error(err)
	}
}

func TestExpectations(t *testing.T) {
	x := &Expectation{
		Timeout: 299, Tuple: tuple(6, "10.9.1.1", "10.9.1.2", 0, 10000), Mask: tuple(6, "255.255.255.255", "255.255.255.255", 0, 65535),
		Master: tuple(6, "10.9.1.1", "10.9.1.2", 45046, 21), Helper: "ftp",
	}
	flags := *x
	flags.Flags, flags.ClassName = ExpectPermanent|ExpectUserspace, "data"
	for _, row := range []struct{ name, got, want string }{
		{
			"line", string(AppendExpectation(nil, x, EventNone)),
			"299 proto=6 src=10.9.1.1 dst=10.9.1.2 sport=0 dport=10000 mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.9.1.1 master-dst=10.9.1.2 sport=45046 dport=21 class=0 helper=ftp",
		},
		{
			"event", string(AppendExpectation(nil, x, EventDestroy)),
			"[DESTROY] 299 proto=6 src=10.9.1.1 dst=10.9.1.2 sport=0 dport=10000 mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.9.1.1 master-dst=10.9.1.2 sport=45046 dport=21 class=0 helper=ftp",
		},
		{
			"xml", string(AppendExpectationXML(nil, x, &Options{})),
			`<flow><layer3 protonum="2" protoname="ipv4"><expected><src>10.9.1.1</src><dst>10.9.1.2</dst></expected><mask><src>255.255.255.255</src><dst>255.255.255.255</dst></mask><master><src>10.9.1.1</src><dst>10.9.1.2</dst></master></layer3><layer4 protonum="6" protoname="tcp"><expected><sport>0</sport><dport>10000</dport></expected><mask><sport>0</sport><dport>65535</dport></mask><master><sport>45046</sport><dport>21</dport></master></layer4><meta><helper-name>ftp</helper-name><timeout>299</timeout><class>0</class></meta></flow>`,
		},
		{"proc", string(AppendProcExpectation(nil, x)), "299 l3proto = 2 proto=6 src=10.9.1.1 dst=10.9.1.2 sport=0 dport=10000 ftp"},
		{"proc with flags", string(AppendProcExpectation(nil, &flags)), "299 l3proto = 2 proto=6 src=10.9.1.1 dst=10.9.1.2 sport=0 dport=10000 PERMANENT,USERSPACE ftp/data"},
	} {
		if row.got != row.want {
			t.Errorf("%s\n%s\nwant\n%s", row.name, row.got, row.want)
		}
	}
	var back JSONExpectation
	if err := json.Unmarshal(AppendExpectationJSON(nil, &flags, EventNew), &back); err != nil || back.Event != "new" || len(back.Flags) != 2 ||
		*back.Expected.Dport != 10000 || back.Master.Src != "10.9.1.1" || back.Helper != "ftp" {
		t.Errorf("%+v %v", back, err)
	}
}

// TestJSONShape: what is written by hand is what encoding/json makes of the
// shape that is documented.
func TestJSONShape(t *testing.T) {
	names := &LabelMap{Names: map[int]string{3: "three"}}
	entries := []*Entry{labelled(), entry(6, "10.0.0.1", "10.0.0.2", 1, 2, func(e *Entry) {
		e.Set |= HasState
		e.State, e.Status, e.Stop = 3, 1<<14-1, e.Start+5
	}), {Orig: tuple(1, "10.0.0.1", "10.0.0.2", 7, 8<<8), Reply: tuple(1, "10.0.0.2", "10.0.0.1", 7, 0), Set: HasLabels}}
	for _, row := range rows {
		entries = append(entries, row.e)
	}
	for _, event := range []Event{EventNone, EventNew, EventUpdate, EventDestroy} {
		for _, e := range entries {
			text := AppendJSON(nil, e, &Options{Event: event, Labels: names})
			var shape JSON
			strict := json.NewDecoder(strings.NewReader(string(text)))
			strict.DisallowUnknownFields()
			if err := strict.Decode(&shape); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if again, err := json.Marshal(&shape); err != nil || string(again) != string(text) {
				t.Errorf("%s\nwant\n%s (%v)", text, again, err)
			}
		}
	}
}

func TestStatistics(t *testing.T) {
	s := &flowtable.Stats{Insert: 12, ChainTooLong: 3, ClashResolve: 1, Error: 2, ExpectNew: 4, ExpectCreate: 5, ExpectDelete: 6}
	for _, row := range []struct{ name, got, want string }{
		{"tool", string(AppendStats(nil, 1, s)), "cpu=1   \tfound=0 invalid=0 insert=12 insert_failed=0 drop=0 early_drop=0 error=2 search_restart=0 clash_resolve=1 chaintoolong=3 "},
		{"tool expect", string(AppendExpectStats(nil, 0, s)), "cpu=0   \texpect_new=4 expect_create=5 expect_delete=6 "},
		{
			"proc", string(AppendProcStat(nil, 13, s)),
			"0000000d  00000001 00000000 00000000 00000000 00000000 00000000 00000003 0000000c 00000000 00000000 00000000 00000002  00000004 00000005 00000006 00000000",
		},
	} {
		if row.got != row.want {
			t.Errorf("%s\n%q\nwant\n%q", row.name, row.got, row.want)
		}
	}
}
