package helper

import (
	"testing"

	"github.com/sluice-net/sluice/flowtable"
)

const v4, v6 = flowtable.FamilyIPv4, flowtable.FamilyIPv6

func TestFTPScan(t *testing.T) {
	rows := []struct {
		name, in string
		dir, fam uint8
		want     ftpFound
		text     string // the endpoint as it stands there
		addr     string // "": none
		port     uint16
	}{
		{"port", "PORT 10,0,0,2,4,1\r\n", orig, v4, ftpCommand, "10,0,0,2,4,1", "10.0.0.2", 1025},
		{"port in lower case", "port 10,0,0,2,4,1\r\n", orig, v4, ftpCommand, "10,0,0,2,4,1", "10.0.0.2", 1025},
		{"port of a server", "PORT 10,0,0,2,4,1\r\n", reply, v4, ftpNothing, "", "", 0},
		{"port cut", "PORT 10,0,0,2,4", orig, v4, ftpPartial, "", "", 0},
		{"port cut in the word", "POR", orig, v4, ftpPartial, "", "", 0},
		{"port without its line end", "PORT 10,0,0,2,4,1", orig, v4, ftpPartial, "", "", 0},
		{"port with text", "PORT x\r\n", orig, v4, ftpPartial, "", "", 0},
		{"five numbers", "PORT 10,0,0,2,4\r\n", orig, v4, ftpPartial, "", "", 0},
		{"seven numbers", "PORT 10,0,0,2,4,1,1\r\n", orig, v4, ftpPartial, "", "", 0},
		{"another command", "RETR a\r\n", orig, v4, ftpNothing, "", "", 0},
		{"eprt", "EPRT |1|10.0.0.2|1025|\r\n", orig, v4, ftpCommand, "|1|10.0.0.2|1025|", "10.0.0.2", 1025},
		{"eprt with another delimiter", "EPRT !1!10.0.0.2!1025!\r\n", orig, v4, ftpCommand, "!1!10.0.0.2!1025!", "10.0.0.2", 1025},
		{"eprt with a digit for delimiter", "EPRT 515!10.0.0.2!1025!\r\n", orig, v4, ftpPartial, "", "", 0},
		{"eprt 6", "EPRT |2|fd00:a::2|1025|\r\n", orig, v6, ftpCommand, "|2|fd00:a::2|1025|", "fd00:a::2", 1025},
		{"eprt 6 over v4", "EPRT |2|fd00:a::2|1025|\r\n", orig, v4, ftpPartial, "", "", 0},
		{"eprt without port", "EPRT |1|10.0.0.2||\r\n", orig, v4, ftpPartial, "", "", 0},
		{"227", "227 Entering Passive Mode (10,0,0,2,4,1).\r\n", reply, v4, ftpCommand, "10,0,0,2,4,1", "10.0.0.2", 1025},
		{"227 without brackets", "227 =10,0,0,2,4,1\r\n", reply, v4, ftpCommand, "10,0,0,2,4,1", "10.0.0.2", 1025},
		{"227 cut", "227 Entering Passive Mode (10,0", reply, v4, ftpPartial, "", "", 0},
		{"229", "229 Entering Extended Passive Mode (|||1025|)\r\n", reply, v6, ftpCommand, "|||1025|", "", 1025},
		{"229 with an address", "229 Extended (|1|10.0.0.2|1025|)\r\n", reply, v4, ftpPartial, "", "", 0},
		{"229 cut", "229 Extended", reply, v4, ftpPartial, "", "", 0},
		{"230", "230 Login successful.\r\n", reply, v4, ftpNothing, "", "", 0},
		{"22", "22", reply, v4, ftpPartial, "", "", 0},
	}
	for _, r := range rows {
		var e ftpEnd
		got := ftpScan([]byte(r.in), r.dir, r.fam, &e)
		if got != r.want {
			t.Errorf("%s: %d, want %d", r.name, got, r.want)
			continue
		}
		if got != ftpCommand {
			continue
		}
		text, addr := r.in[e.off:e.off+e.len], ""
		if e.hasAddr {
			addr = addrText(&e.addr, r.fam)
		}
		if text != r.text || addr != r.addr || e.port != r.port {
			t.Errorf("%s: %q %s %d, want %q %s %d", r.name, text, addr, e.port, r.text, r.addr, r.port)
		}
	}
}

func TestFTPPlain(t *testing.T) {
	b := newBench(t, "ftp", flowtable.ProtoTCP, false, false, 21)
	b.say(orig, "USER a\r\n")
	b.say(reply, "230 ok\r\n")
	line := "PORT 10,0,0,2,4,1\r\n"
	b.demand(orig, line, line, "198.51.100.1:0 > 10.0.0.2:1025 class 0")
	line = "227 (198,51,100,1,195,80)\r\n"
	b.demand(reply, line, line, "10.0.0.2:0 > 198.51.100.1:50000 class 0") // one at a time
	line = "PORT 10,0,0,3,4,1\r\n"
	b.demand(orig, line, line, "10.0.0.2:0 > 198.51.100.1:50000 class 0") // somebody else's address
	b.demand(orig, "PORT 10,0", "", "10.0.0.2:0 > 198.51.100.1:50000 class 0")
	line = "PORT 10,0,0,2,4,2\r\n" // the same bytes again, whole
	b.demand(orig, line, line, "198.51.100.1:0 > 10.0.0.2:1026 class 0")
}

// TestFTPReadsLineStarts: what does not begin behind a line end is no command.
func TestFTPReadsLineStarts(t *testing.T) {
	b := newBench(t, "ftp", flowtable.ProtoTCP, false, false, 21)
	port := "PORT 10,0,0,2,4,1\r\n"
	b.demand(orig, port, port, "") // nothing is known of the flow's lines yet
	b.demand(orig, "STOR x", "STOR x", "")
	b.demand(orig, port, port, "")
	b.demand(orig, port, port, "198.51.100.1:0 > 10.0.0.2:1025 class 0")
	b.seq[orig] -= uint32(len(port)) // again
	b.demand(orig, port, port, "198.51.100.1:0 > 10.0.0.2:1025 class 0")
}

func TestFTPTranslated(t *testing.T) {
	b := newBench(t, "ftp", flowtable.ProtoTCP, true, false, 21)
	b.say(orig, "USER a\r\n")
	b.say(reply, "230 ok\r\n")
	b.demand(orig, "PORT 10,0,0,2,4,1\r\n", "PORT 203,0,113,1,4,1\r\n",
		"198.51.100.1:0 > 203.0.113.1:1025 class 0 becomes 198.51.100.1 > 10.0.0.2:1025")
	b.demand(orig, "EPRT |1|10.0.0.2|1026|\r\n", "EPRT |1|203.0.113.1|1026|\r\n",
		"198.51.100.1:0 > 203.0.113.1:1026 class 0 becomes 198.51.100.1 > 10.0.0.2:1026")
	b.demand(reply, "227 (198,51,100,1,195,80)\r\n", "227 (198,51,100,1,195,80)\r\n",
		"10.0.0.2:0 > 198.51.100.1:50000 class 0 becomes 203.0.113.1 > 198.51.100.1:50000")
}

// TestFTPNextPort: a port that another master expects already is not given again.
func TestFTPNextPort(t *testing.T) {
	b := newBench(t, "ftp", flowtable.ProtoTCP, true, false, 21)
	o := tuple(t, flowtable.ProtoTCP, "10.0.0.3", 40000, "198.51.100.1", 21)
	p := flowtable.Probe{Tuple: o, Hash: b.table.Hash(&o), Bytes: 60, Kind: flowtable.KindFlow, Flags: 2, Window: 100}
	p.Template.Helper = b.s.Number
	if b.s.Shard.Track(&p, 1000); !b.s.Shard.Confirm(&p, 1000) {
		t.Fatal("no other master")
	}
	x := *b.s.Want(0, flowtable.ProtoTCP, &b.s.Tuples[reply].Src, &b.s.Tuples[reply].Dst, 1025)
	if r := b.s.Shard.Expect(p.Entry, &x, 1000); r != flowtable.ExpectOK {
		t.Fatal(r)
	}
	b.say(orig, "USER a\r\n")
	b.demand(orig, "PORT 10,0,0,2,4,1\r\n", "PORT 203,0,113,1,4,2\r\n",
		"198.51.100.1:0 > 203.0.113.1:1025 class 0\n198.51.100.1:0 > 203.0.113.1:1026 class 0 becomes 198.51.100.1 > 10.0.0.2:1025")
}

func TestFTPSix(t *testing.T) {
	b := newBench(t, "ftp", flowtable.ProtoTCP, true, true, 21)
	b.say(orig, "USER a\r\n")
	b.say(reply, "230 ok\r\n")
	b.demand(orig, "EPRT |2|fd00:a::2|1025|\r\n", "EPRT |2|fd00:000b:0000:0000:0000:0000:0000:0001|1025|\r\n",
		"2001:db8::1:0 > fd00:b::1:1025 class 0 becomes 2001:db8::1 > fd00:a::2:1025")
	b.demand(reply, "229 Extended (|||50000|)\r\n", "229 Extended (|||50000|)\r\n",
		"fd00:a::2:0 > 2001:db8::1:50000 class 0 becomes fd00:b::1 > 2001:db8::1:50000")
	line := "PORT 10,0,0,2,4,1\r\n"
	b.demand(orig, line, line, "fd00:a::2:0 > 2001:db8::1:50000 class 0 becomes fd00:b::1 > 2001:db8::1:50000")
}

func TestTFTP(t *testing.T) {
	for _, r := range []struct {
		name, in, expected string
		nat                bool
	}{
		{"read", "\x00\x01f\x00octet\x00", "198.51.100.1:0 > 10.0.0.2:40000 class 0", false},
		{"write", "\x00\x02f\x00octet\x00", "198.51.100.1:0 > 203.0.113.1:41000 class 0 becomes 198.51.100.1 > 10.0.0.2:40000", true},
		{"data", "\x00\x03\x00\x01abc", "", true},
		{"short", "\x00", "", false},
	} {
		t.Run(r.name, func(t *testing.T) {
			newBench(t, "tftp", flowtable.ProtoUDP, r.nat, false, 69).demand(orig, r.in, r.in, r.expected)
		})
	}
}

func TestIRC(t *testing.T) {
	const inside, outside = "167772162", "3405803777" // 10.0.0.2, 203.0.113.1
	rows := []struct {
		name, in, out, expected string
		nat                     bool
	}{
		{"send", "PRIVMSG bob :\x01DCC SEND f " + inside + " 5000 12\x01\r\n", "", "*:0 > 10.0.0.2:5000 class 0", false},
		{"chat", "\r\n privmsg bob :\x01DCC CHAT chat " + inside + " 5000\x01\r\n", "", "*:0 > 10.0.0.2:5000 class 0", false},
		{"not in a message", "\x01DCC SEND f " + inside + " 5000 12\x01\r\n", "", "", false},
		{"somebody else's address", "PRIVMSG bob :\x01DCC SEND f 134744072 5000 12\x01\r\n", "", "", false},
		{"second line", "NOTICE x :hi\r\nPRIVMSG bob :\x01DCC SEND f " + inside + " 5000 12\x01\r\n", "", "", false},
		{"no line end", "PRIVMSG bob :\x01DCC SEND f " + inside + " 5000 12", "", "", false},
		{"port 0", "PRIVMSG bob :\x01DCC SEND f " + inside + " 0 12\x01\r\n", "", "", false},
		{"cut", "PRIVMSG bob :\x01DCC SEND f " + inside, "", "", false},
		{"translated", "PRIVMSG bob :\x01DCC SEND f " + inside + " 5000 12\x01\r\n",
			"PRIVMSG bob :\x01DCC SEND f " + outside + " 5000 12\x01\r\n",
			"*:0 > 203.0.113.1:5000 class 0 becomes 198.51.100.1 > 10.0.0.2:5000", true},
		{"outside address", "PRIVMSG bob :\x01DCC SEND f " + outside + " 5000 12\x01\r\n",
			"PRIVMSG bob :\x01DCC SEND f " + outside + " 5000 12\x01\r\n",
			"*:0 > 203.0.113.1:5000 class 0 becomes 198.51.100.1 > 10.0.0.2:5000", true},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			if r.out == "" {
				r.out = r.in
			}
			b := newBench(t, "irc", flowtable.ProtoTCP, r.nat, false, 6667)
			b.demand(orig, r.in, r.out, r.expected)
			b.demand(reply, "PRIVMSG al :\x01DCC SEND f 3325256705 1024 1\x01\r\n", "PRIVMSG al :\x01DCC SEND f 3325256705 1024 1\x01\r\n", r.expected)
		})
	}
}
