package main

import (
	"fmt"
	"net/url"
	"strings"
)

// tcpOpen is a handshake of flow 0.
const tcpOpen = "> S; < SA; > A; "

// say is a packet line with data, and for TCP its acknowledgement.
func say(dir, flags, text string) string {
	escaped := strings.NewReplacer(";", "%3B", "%20", "%20").Replace(url.PathEscape(text))
	line := fmt.Sprintf("%s %s data=%s; ", dir, flags, escaped)
	if flags == "udp" {
		return line
	}
	other := map[string]string{">": "<", "<": ">"}[dir]
	return line + other + " A; "
}

// ftpLogin makes both sides known to end lines, without which nothing is read.
var ftpLogin = say("<", "PA", "220 hello\r\n") + say(">", "PA", "USER x\r\n") + say("<", "PA", "230 in\r\n")

// helpers are control connections and their children, plain and translated.
func helpers() []*Script {
	rows := []row{}
	for _, rules := range []string{"helper", "helper-masquerade"} {
		head := "rules " + rules + "; "
		box := "0"
		if rules == "helper-masquerade" {
			box = "203.0.113.1"
		}
		add := func(name, text string) { rows = append(rows, row{rules + " " + name, head + text}) }
		ftp := "flow 0 dport=21; " + tcpOpen + ftpLogin
		active := func(port string) string {
			return fmt.Sprintf("flow 1 from=wan src=0 dst=%s sport=20 dport=%s; > S f=1; < SA f=1; > A f=1; > PA f=1 len=9; < A f=1; ", box, port)
		}
		passive := func(port string) string {
			return fmt.Sprintf("flow 2 src=0 dst=0 sport=41000 dport=%s; > S f=2; < SA f=2; > A f=2; ", port)
		}
		add("ftp port", ftp+say(">", "PA", "PORT 10,77,11,2,19,136\r\n")+say("<", "PA", "200 ok\r\n")+active("5000")+say(">", "PA", "QUIT\r\n")+say("<", "PA", "221 bye\r\n"))
		add("ftp port in small letters", ftp+say(">", "PA", "port 10,77,11,2,19,136\r\n")+active("5000"))
		add("ftp two ports", ftp+say(">", "PA", "PORT 10,77,11,2,19,136\r\n")+say(">", "PA", "PORT 10,77,11,2,19,137\r\n")+active("5001")+say("<", "PA", "200 ok\r\n")+say(">", "PA", "NOOP\r\n"))
		add("ftp port again", ftp+"> PA data="+url.PathEscape("PORT 10,77,11,2,19,136\r\n")+"; > PA seq=-24 data="+url.PathEscape("PORT 10,77,11,2,19,136\r\n")+"; ")
		add("ftp eprt", ftp+say(">", "PA", "EPRT |1|10.77.11.2|5000|\r\n")+say("<", "PA", "200 ok\r\n")+active("5000"))
		add("ftp pasv", ftp+say(">", "PA", "PASV\r\n")+say("<", "PA", "227 Passive (203,0,113,2,195,80).\r\n")+passive("50000"))
		add("ftp epsv", ftp+say(">", "PA", "EPSV\r\n")+say("<", "PA", "229 Extended Passive Mode (|||50000|)\r\n")+passive("50000"))
		add("ftp nobody announced", ftp+fmt.Sprintf("flow 1 from=wan src=0 dst=%s sport=20 dport=5000; > S f=1", box))
		add("ftp port after none", ftp+"> PA data="+url.PathEscape("PORT 10,77,11,2,0,0\r\n")+"; > PA data="+url.PathEscape("PORT 10,77,11,2,19,136\r\n")+"; ")
		add("ftp in pieces", ftp+"> A len=1300 cuts=0-200,200-400,400-2000; ")
		add("ftp wrong source", ftp+say(">", "PA", "PORT 10,77,11,2,19,136\r\n")+fmt.Sprintf("flow 1 from=wan src=1 dst=%s sport=20 dport=5000; > S f=1", box))
		add("ftp used up", ftp+say(">", "PA", "PORT 10,77,11,2,19,136\r\n")+active("5000")+fmt.Sprintf("flow 3 from=wan src=0 dst=%s sport=21 dport=5000; > S f=3", box))
		for _, broken := range []string{"S sum=bad", "cut 6 len=16", "cut 6 len=3", "S off=4", "A ack=@5 seq=@9"} {
			add("ftp used up by "+broken, ftp+say(">", "PA", "PORT 10,77,11,2,19,136\r\n")+fmt.Sprintf("flow 1 from=wan src=0 dst=%s sport=20 dport=5000; > %s f=1; > S f=1", box, broken))
		}
		add("ftp error of the client", ftp+say(">", "PA", "EPRT |1|10.77.11.2|5000|\r\n")+say(">", "PA", "PORT 10,77,11,2,19,136\r\n")+say("<", "PA", "200 ok\r\n")+"> err 3/4 info=1400")
		for _, text := range []string{"PORT 10,77,11,2,19", "PORT 10,77,11,2,19,136", "PORT x\r\n", "PORT 10,77,11,3,19,136\r\n", "PORT 10,77,11,2,19,136,1\r\n", "PORT 256,0,0,2,19,136\r\n",
			"PORT  10,77,11,2,19,136\r\n", "PORT 10,77,11,2,0,0\r\n", "PORT 010,077,011,002,019,136\r\n", "PORT\r\n", "POR", "PORTX 10,77,11,2,19,136\r\n", "EPRT |2|fd77:a::2|5000|\r\n",
			"EPRT |1|10.77.11.2||\r\n", "EPRT |1|10.77.11.2|5000\r\n", "EPRT !1!10.77.11.2!5000!\r\n", "EPRT 1110.77.11.215000\r\n", "EPRT", "NOOP\r\nPORT 10,77,11,2,19,136\r\n", "\r\nPORT 10,77,11,2,19,136\r\n"} {
			add("ftp client says "+text, ftp+say(">", "PA", text)+active("5000"))
		}
		for _, text := range []string{"227 =203,0,113,2,195,80\r\n", "227 203,0,113,2,195,80\r\n", "227 Passive (203,0,113,3,195,80)\r\n", "227 Passive (203,0,113,2,195", "227 Passive\r\n", "227 a(203,0,113,2,195,80\r\n",
			"227-x (203,0,113,2,195,80)\r\n", "229 (|||50000|)\r\n", "229 (|||50000\r\n", "229 (|1|203.0.113.2|50000|)\r\n", "229 x\r\n", "229 (!!!50000!)\r\n", "229 (|||0|)\r\n", "22", "226 ok\r\n"} {
			add("ftp server says "+text, ftp+say("<", "PA", text)+passive("50000"))
		}
		add("tftp", "flow 0 dport=69; "+say(">", "udp", "\x00\x01f\x00octet\x00")+fmt.Sprintf("flow 1 from=wan src=0 dst=%s sport=2000 dport=40000; ", box)+"> udp f=1 len=20; < udp f=1 len=4; > udp f=1 len=20")
		add("tftp write", "flow 0 dport=69; "+say(">", "udp", "\x00\x02f\x00octet\x00")+fmt.Sprintf("flow 1 from=wan src=0 dst=%s sport=2000 dport=40000; ", box)+"> udp f=1 len=20; < udp f=1 len=4")
		add("tftp twice", "flow 0 dport=69; "+say(">", "udp", "\x00\x01f\x00octet\x00")+say(">", "udp", "\x00\x01f\x00octet\x00")+fmt.Sprintf("flow 1 from=wan src=0 dst=%s sport=2000 dport=40000; ", box)+"> udp f=1 len=20")
		add("tftp something else", "flow 0 dport=69; "+say(">", "udp", "\x00\x03f\x00octet\x00")+say(">", "udp", "\x00\x01")+fmt.Sprintf("flow 1 from=wan src=0 dst=%s sport=2000 dport=40000; > udp f=1 len=20", box))
		irc := "flow 0 dport=6667; " + tcpOpen
		dcc := fmt.Sprintf("flow 1 from=wan src=1 dst=%s sport=2000 dport=5000; > S f=1; < SA f=1; > A f=1; ", box)
		for _, text := range []string{"PRIVMSG bob :\x01DCC SEND f 172821250 5000 9\x01\r\n", "PRIVMSG bob :\x01DCC CHAT chat 172821250 5000\x01\r\n", "PRIVMSG bob :\x01DCC SEND f 3405803777 5000 9\x01\r\n",
			"NOTICE x\r\nPRIVMSG bob :\x01DCC TSEND f 172821250 5000 9\x01\r\n", "PRIVMSG bob :\x01DCC SEND f 134744072 5000 9\x01\r\n", "privmsg bob :\x01DCC SEND f 172821250 5000 9\x01\r\n",
			"PRIVMSG bob :\x01DCC SEND f 172821250 0 9\x01\r\n", "\x01DCC SEND f 172821250 5000 9\x01\r\n", "PRIVMSG bob :\x01DCC SEND a b 172821250 5000 9\x01\r\n", "PRIVMSG bob :\x01DCC SEND f  172821250  5000 9\x01\r\n",
			"PRIVMSG bob :\x01DCC XMIT f 172821250 5000 9\x01\r\n", "PRIVMSG bob :\x01DCC SEND f 172821250 5000", "PRIVMSG bob :\x01DCC CHAT c 1 2\n", ":n!u@h PRIVMSG bob :\x01DCC SEND f 172821250 5000 9\x01\r\n"} {
			add("irc "+text, irc+say(">", "PA", text)+dcc+say(">", "PA", "PING\r\n")+say("<", "PA", "PONG\r\n"))
		}
	}
	dnat := "rules helper-dnat; flow 0 from=wan src=0 dst=box "
	rows = append(rows,
		row{"dnat ftp pasv", dnat + "dport=21; " + tcpOpen + ftpLogin + say("<", "PA", "227 Passive (10,77,11,2,195,80).\r\n") +
			"flow 1 from=wan src=0 dst=box sport=3000 dport=50000; > S f=1; < SA f=1; > A f=1; " + say(">", "PA", "QUIT\r\n") + say("<", "PA", "221 bye\r\n")},
		row{"dnat ftp port", dnat + "dport=21; " + tcpOpen + ftpLogin + say(">", "PA", "PORT 203,0,113,2,19,136\r\n") + "flow 1 src=0 dst=0 sport=20 dport=5000; > S f=1; < SA f=1"},
		row{"dnat tftp", dnat + "dport=69; " + say(">", "udp", "\x00\x01f\x00octet\x00") + "flow 1 src=0 dst=0 sport=2000 dport=40000; > udp f=1 len=20; < udp f=1 len=4"},
	)
	ftp6 := "v6; flow 0 dport=21; " + tcpOpen + ftpLogin
	for _, rules := range []string{"helper", "helper-masquerade"} {
		box := map[string]string{"helper": "0", "helper-masquerade": "fd77:b::1"}[rules]
		rows = append(rows,
			row{rules + " ftp eprt v6", "rules " + rules + "; " + ftp6 + say(">", "PA", "EPRT |2|fd77:a::2|5000|\r\n") + say("<", "PA", "200 ok\r\n") +
				fmt.Sprintf("flow 1 from=wan src=0 dst=%s sport=20 dport=5000; > S f=1; < SA f=1; ", box) + say(">", "PA", "QUIT\r\n")},
			row{rules + " ftp epsv v6", "rules " + rules + "; " + ftp6 + say("<", "PA", "229 Passive (|||50000|)\r\n") + "flow 2 src=0 dst=0 sport=41000 dport=50000; > S f=2; < SA f=2"},
			row{rules + " ftp port v6", "rules " + rules + "; " + ftp6 + say(">", "PA", "PORT 10,77,11,2,19,136\r\n")},
			row{rules + " ftp 227 v6", "rules " + rules + "; " + ftp6 + say("<", "PA", "227 Passive (203,0,113,2,195,80).\r\n")},
		)
	}
	all := scripts(append(append(rows, signalling()...), tunnels()...))
	for _, s := range all {
		s.Name = strings.Map(func(r rune) rune {
			if r < ' ' {
				return '~'
			}
			return r
		}, s.Name)
	}
	return all
}
