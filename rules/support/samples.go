package support

import (
	"github.com/sluice-net/sluice/rules/nft"
)

// sample is an example of a statement or of a feature of sets.
type sample struct {
	name  string
	text  string // a rule
	table string // what it needs in its table
	hook  string
	is    func(*nft.Set) bool // of a feature: whether a set has it
}

const (
	natHook   = "type nat hook postrouting priority srcnat;"
	dnatHook  = "type nat hook prerouting priority dstnat;"
	earlyHook = "type filter hook prerouting priority raw;"
)

// statements are examples of each; a test wants one for every statement of the
// tree.
var statements = []sample{
	{name: "match", text: "meta mark 1"},
	{name: "vmap", text: "meta mark vmap { 1 : accept, 2 : drop }"},
	{name: "accept", text: "accept"}, {name: "drop", text: "drop"}, {name: "continue", text: "continue"},
	{name: "return", text: "return"}, {name: "jump", text: "jump u"}, {name: "goto", text: "goto u"},
	{name: "jump { ... }", text: "jump { meta mark 1 accept; }"},
	{name: "counter", text: "counter"}, {name: "counter name", text: `counter name "o"`, table: "counter o {\n}\n"},
	{name: "counter name map", text: `counter name meta mark map { 1 : "o" }`, table: "counter o {\n}\n"},
	{name: "quota", text: "quota 5 mbytes"}, {name: "quota name", text: `quota name "o"`, table: "quota o {\n5 mbytes\n}\n"},
	{name: "quota name map", text: `quota name meta mark map { 1 : "o" }`, table: "quota o {\n5 mbytes\n}\n"},
	{name: "limit name map", text: `limit name meta mark map { 1 : "o" }`, table: "limit o {\nrate 5/second\n}\n"},
	{name: "limit", text: "limit rate 5/second"}, {name: "limit name", text: `limit name "o"`, table: "limit o {\nrate 5/second\n}\n"},
	{name: "ct count", text: "ct count over 5"}, {name: "last", text: "last"},
	{name: "log", text: `log prefix "x " level info`}, {name: "notrack", text: "notrack", hook: earlyHook},
	{name: "reject", text: "reject"},
	{name: "snat", text: "snat ip to 192.0.2.1", hook: natHook}, {name: "dnat", text: "dnat ip to 192.0.2.1", hook: dnatHook},
	{name: "masquerade", text: "masquerade", hook: natHook}, {name: "redirect", text: "redirect", hook: dnatHook},
	{name: "meta mark set", text: "meta mark set 1"}, {name: "ct mark set", text: "ct mark set 1"},
	{name: "meta priority set", text: "meta priority set 1:2"}, {name: "meta pkttype set", text: "meta pkttype set host"},
	{name: "meta nftrace set", text: "meta nftrace set 1"},
	{name: "ct zone set", text: "ct zone set 1", hook: earlyHook}, {name: "ct label set", text: "ct label set 1"},
	{name: "ct event set", text: "ct event set new"}, {name: "payload set", text: "tcp dport set 1"},
	{name: "option set", text: "tcp option maxseg size set 1200"}, {name: "reset", text: "reset tcp option sack-perm"},
	{name: "ct helper set", text: `ct helper set "o"`, table: "ct helper o {\ntype \"ftp\" protocol tcp\n}\n"},
	{name: "ct timeout set", text: `ct timeout set "o"`, table: "ct timeout o {\nprotocol tcp\nl3proto ip\npolicy = { established : 60 }\n}\n"},
	{name: "ct expectation set", text: `ct expectation set "o"`, table: "ct expectation o {\nprotocol tcp\ndport 5\ntimeout 5s\nsize 1\nl3proto ip\n}\n"},
	{name: "ct helper set map", text: `ct helper set meta mark map { 1 : "o" }`, table: "ct helper o {\ntype \"ftp\" protocol tcp\n}\n"},
	{name: "ct timeout set map", text: `ct timeout set meta mark map { 1 : "o" }`, table: "ct timeout o {\nprotocol tcp\nl3proto ip\npolicy = { established : 60 }\n}\n"},
	{name: "ct expectation set map", text: `ct expectation set meta mark map { 1 : "o" }`, table: "ct expectation o {\nprotocol tcp\ndport 5\ntimeout 5s\nsize 1\nl3proto ip\n}\n"},
	{name: "add @set", text: "add @s { ip saddr }", table: dynamicSet}, {name: "update @set", text: "update @s { ip saddr timeout 5s }", table: dynamicSet},
	{name: "delete @set", text: "delete @s { ip saddr }", table: dynamicSet}, {name: "meter", text: "meter m { ip saddr limit rate 5/second }"},
	{name: "synproxy", text: "tcp dport 80 synproxy mss 1460 wscale 7"},
	{name: "synproxy name", text: `tcp dport 80 synproxy name "o"`, table: "synproxy o {\nmss 1460\nwscale 7\n}\n"},
	{name: "synproxy name map", text: `tcp dport 80 synproxy name meta mark map { 1 : "o" }`, table: "synproxy o {\nmss 1460\nwscale 7\n}\n"},
	{name: "flow add", text: "flow add @f", table: "flowtable f {\nhook ingress priority 0\n}\n"},
	{name: "queue", text: "queue to 1"}, {name: "tproxy", text: "meta l4proto tcp tproxy to :80", hook: earlyHook},
	{name: "dup", text: "dup to 192.0.2.1"}, {name: "fwd", text: "fwd to lo"},
}

const dynamicSet = "set s {\ntype ipv4_addr\nflags dynamic,timeout\n}\n"

// objects are the contents of an object of each kind.
var objects = map[nft.ObjectKind]string{
	nft.ObjQuota: "5 mbytes", nft.ObjLimit: "rate 5/second", nft.ObjHelper: "type \"ftp\" protocol tcp",
	nft.ObjTimeout:     "protocol tcp\nl3proto ip\npolicy = { established : 60 }",
	nft.ObjExpectation: "protocol tcp\ndport 5\ntimeout 5s\nsize 1\nl3proto ip",
	nft.ObjSynproxy:    "mss 1460\nwscale 7", nft.ObjSecmark: "\"x\"",
}

// objectUses are rules that use them, where the statement is called otherwise.
var objectUses = map[nft.ObjectKind]string{
	nft.ObjCounter: `counter name "o"`, nft.ObjQuota: `quota name "o"`, nft.ObjLimit: `limit name "o"`,
	nft.ObjHelper: `ct helper set "o"`, nft.ObjTimeout: `ct timeout set "o"`, nft.ObjExpectation: `ct expectation set "o"`,
	nft.ObjSynproxy: `tcp dport 80 synproxy name "o"`,
}

// sets are features of sets and maps.
var sets = []sample{
	setOf("set", "type ipv4_addr\nelements = { 192.0.2.1 }", func(s *nft.Set) bool { return !s.Map }),
	setOf("interval", "type ipv4_addr\nflags interval\nelements = { 10.0.0.0/8 }", flag(nft.SetInterval)),
	setOf("auto-merge", "type ipv4_addr\nflags interval\nauto-merge\nelements = { 10.0.0.0/8, 10.1.0.0/16 }", flag(nft.SetAutoMerge)),
	setOf("constant", "type ipv4_addr\nflags constant\nelements = { 192.0.2.1 }", flag(nft.SetConstant)),
	setOf("timeout", "type ipv4_addr\ntimeout 5m\nelements = { 192.0.2.1 timeout 1m }", func(s *nft.Set) bool { return s.Timeout > 0 || s.Flags&nft.SetTimeout != 0 }),
	setOf("timeout of intervals", "type ipv4_addr\nflags interval,timeout\nelements = { 10.0.0.0/8 timeout 1m }",
		func(s *nft.Set) bool { return s.Flags&nft.SetTimeout != 0 && s.Flags&nft.SetInterval != 0 }),
	setOf("gc-interval", "type ipv4_addr\ntimeout 5m\ngc-interval 1m", func(s *nft.Set) bool { return s.GC > 0 }),
	setOf("dynamic", "type ipv4_addr\nflags dynamic", flag(nft.SetDynamic)),
	setOf("size", "type ipv4_addr\nsize 100", func(s *nft.Set) bool { return s.SizeGiven > 0 }),
	setOf("policy", "type ipv4_addr\npolicy memory", func(s *nft.Set) bool { return s.Policy != "" }),
	setOf("comment", "type ipv4_addr\ncomment \"x\"", func(s *nft.Set) bool { return s.Comment != "" }),
	setOf("typeof", "typeof ip saddr", func(s *nft.Set) bool { return s.KeyExprs != nil }),
	setOf("catch-all", "type ipv4_addr\nelements = { * }", nil),
	setOf("counter of elements", "type ipv4_addr\ncounter\nelements = { 192.0.2.1 }", elementStatement[*nft.Counter]),
	setOf("limit of elements", "type ipv4_addr\nflags dynamic\nlimit rate 5/second", elementStatement[*nft.Limit]),
	setOf("quota of elements", "type ipv4_addr\nflags dynamic\nquota 5 mbytes", elementStatement[*nft.Quota]),
	setOf("last of elements", "type ipv4_addr\nflags dynamic\nlast", elementStatement[*nft.Last]),
	setOf("ct count of elements", "type ipv4_addr\nflags dynamic\nct count 5", elementStatement[*nft.ConnLimit]),
	{name: "concatenation", table: "set s {\ntype ipv4_addr . inet_service\nelements = { 192.0.2.1 . 80 }\n}\n", text: "ip saddr . tcp dport @s",
		is: func(s *nft.Set) bool { return len(s.Key) > 1 }},
	{name: "intervals in a concatenation", table: "set s {\ntype ipv4_addr . inet_service\nflags interval\nelements = { 10.0.0.0/8 . 80-90 }\n}\n", text: "ip saddr . tcp dport @s",
		is: func(s *nft.Set) bool { return len(s.Key) > 1 && s.Flags&nft.SetInterval != 0 }},
	{name: "verdict map", table: "map s {\ntype ipv4_addr : verdict\nelements = { 192.0.2.1 : drop }\n}\n", text: "ip saddr vmap @s",
		is: func(s *nft.Set) bool { return s.Verdicts }},
	{name: "data map", table: "map s {\ntype ipv4_addr : mark\nelements = { 192.0.2.1 : 5 }\n}\n", text: "meta mark set ip saddr map @s",
		is: func(s *nft.Set) bool { return s.Map && len(s.Data) == 1 && !s.Ranges }},
	{name: "map of several values", table: "map s {\ntype mark : ipv4_addr . inet_service\nelements = { 5 : 192.0.2.1 . 80 }\n}\n", text: "meta l4proto tcp dnat ip to meta mark map @s", hook: dnatHook,
		is: func(s *nft.Set) bool { return len(s.Data) > 1 }},
	{name: "map of ranges", table: "map s {\ntype mark : interval ipv4_addr\nelements = { 5 : 192.0.2.0/24 }\n}\n", text: "dnat ip to meta mark map @s", hook: dnatHook,
		is: func(s *nft.Set) bool { return s.Ranges }},
	{name: "map of objects", table: "counter k {\n}\nmap s {\ntype mark : counter\nelements = { 5 : \"k\" }\n}\n", text: "counter name meta mark map @s",
		is: func(s *nft.Set) bool { return s.HoldsObjects }},
	{name: "timeout of verdict maps", table: "map s {\ntype ipv4_addr : verdict\ntimeout 5m\nelements = { 192.0.2.1 : drop }\n}\n", text: "ip saddr vmap @s",
		is: func(s *nft.Set) bool { return s.Verdicts && s.Flags&nft.SetTimeout != 0 }},
}

func setOf(name, block string, is func(*nft.Set) bool) sample {
	return sample{name: name, table: "set s {\n" + block + "\n}\n", text: "ip saddr @s", is: is}
}

func flag(f uint32) func(*nft.Set) bool { return func(s *nft.Set) bool { return s.Flags&f != 0 } }

func elementStatement[T nft.Stmt](s *nft.Set) bool {
	for _, st := range s.Stmts {
		if _, ok := st.(T); ok {
			return true
		}
	}
	return false
}

// commandBase is what commands are tried on.
const commandBase = `table ip t {
	counter o1 {
	}
	quota o2 {
		5 mbytes
	}
	limit o3 {
		rate 5/second
	}
	ct helper o4 {
		type "ftp" protocol tcp
	}
	ct timeout o5 {
		protocol tcp
		policy = { established : 60 }
	}
	ct expectation o6 {
		protocol tcp
		dport 5
		timeout 5s
		size 1
	}
	synproxy o7 {
		mss 1460
		wscale 7
	}
	secmark o8 {
		"x"
	}
	flowtable f {
		hook ingress priority 0
	}
	set s {
		type inet_service
		elements = { 1 }
	}
	map m {
		type inet_service : verdict
	}
	chain c {
	}
	chain d {
		accept
		meter mt { ip saddr limit rate 5/second }
	}
}
`

// objectNames are the objects of commandBase.
var objectNames = map[string]string{
	"counter": "o1", "quota": "o2", "limit": "o3", "ct helper": "o4", "ct timeout": "o5", "ct expectation": "o6", "synproxy": "o7", "secmark": "o8",
}

// commandTails are the rest of commands that commandTail does not make.
var commandTails = map[string]string{
	"add rule": " ip t c accept", "insert rule": " ip t c accept", "replace rule": " ip t d handle 14 drop", "delete rule": " ip t d handle 14",
	"add set": " ip t s9 { type ipv4_addr; }", "create set": " ip t s9 { type ipv4_addr; }",
	"add map": " ip t m9 { type ipv4_addr : verdict; }", "create map": " ip t m9 { type ipv4_addr : verdict; }",
	"add table": " ip t9", "create table": " ip t9", "create element": " ip t s { 2 }",
	"create counter": " ip t o9", "create quota": " ip t o9 over 5 mbytes", "create limit": " ip t o9 rate 5/second",
	"create synproxy": " ip t o9 mss 1460 wscale 7", "create secmark": ` ip t o9 "x"`,
	"add flowtable": " ip t f9 { hook ingress priority 0; }", "create flowtable": " ip t f9 { hook ingress priority 0; }",
	"rename chain": " ip t c e", "list ct helpers": " table ip t", "get element": " ip t s { 1 }", "monitor": "", "monitor trace": "", "describe": " tcp dport",
	"flush ruleset": "", "list ruleset": "", "reset counters": "", "reset quotas": "",
}

// refusedCommands are commands of other versions of nft, or of its own, that are
// not taken.
var refusedCommands = []string{"destroy table", "list hooks", "export json", "import json", "reset rules"}
