package control

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/cmd/sluice/conntrack"
	"github.com/sluice-net/sluice/tools/lab"
)

// trafficLines are asked of the kernel and of a box after both have heard the
// same packets; those that change something stand behind those that look. labels
// begins the ones for which labels have names.
var trafficLines = map[string][]string{
	"list": {
		"-L", "-L -o extended", "-L -o id", "-L -o ktimestamp", "-L -o timestamp", "-L -o extended,id,ktimestamp", "-L -o save", "-L -o xml", "-L -o xml,extended,id,ktimestamp",
		"-L -o userspace", "-L conntrack", "-L dying", "-L unconfirmed", "--dump", "-C", "-C conntrack",
	},
	"family and address": {
		"-L -f ipv4", "-L -f ipv6", "-L -s 10.77.11.2", "-L -s 10.77.11.2/31", "-L -s 10.77.11.0/24", "-L --src 10.77.11.3", "-L -d 203.0.113.2", "-L -d 203.0.113.200", "-L -r 203.0.113.3",
		"-L -q 203.0.113.200", "-L -q 203.0.113.2", "-L -s 10.77.11.2 -d 203.0.113.2 -r 203.0.113.2 -q 10.77.11.2", "-L -s fd77:a::2", "-L -s fd77:a::/64", "-L -d fd77:b::2/127 -p tcp",
		"-L -s 10.77.11.0 --mask-src 255.255.255.253", "-L -d 203.0.113.0 --mask-dst 255.255.255.0 -p icmp", "-L -s 0.0.0.0/0", "-L -s ::/0", "-L -s 10.77.11.2 -f ipv4 -p 200",
	},
	"protocol": {
		"-L -p tcp", "-L -p udp", "-L -p icmp", "-L -p icmpv6", "-L -p sctp", "-L -p gre", "-L -p dccp", "-L -p 200", "-L -p 201", "-L -p udplite", "-L -p ipv6-icmp",
		"-L -p tcp --sport 1001", "-L -p tcp --dport 80", "-L -p tcp --orig-port-src 1001 --orig-port-dst 80", "-L -p tcp --dport 80 -f ipv6", "-L -p udp --sport 1011 --dport 54", "-L -p udp --reply-port-src 80",
		"-L -p udp --reply-port-dst 7777", "-L -p udp --reply-port-dst 3001 -g", "-L -p sctp --sport 1020", "-L -p sctp --reply-port-dst 1020 --state ESTABLISHED", "-L -p gre --srckey 0", "-L -p gre --srckey 5", "-L -p gre --reply-key-dst 3",
		"-L -p icmp --icmp-type 8", "-L -p icmp --icmp-type 13 --icmp-code 0", "-L -p icmp --icmp-id 78", "-L -p icmpv6 --icmpv6-id 77", "-L -p icmpv6 --icmpv6-type 129", "-L -p tcp --mask-port-src 5",
		"-L -p tcp --state ESTABLISHED", "-L -p tcp --state SYN_SENT", "-L -p tcp --state TIME_WAIT -f ipv4", "-L -p tcp --state CLOSE", "-L -p tcp --state FIN_WAIT -o xml", "-L -p tcp --state NONE", "-L -p sctp --state CLOSED",
		"-L -p tcp --state ESTABLISHED -u ASSURED --dport 22 -o save",
	},
	"status": {
		"-L -u ASSURED", "-L -u SEEN_REPLY", "-L -u UNREPLIED", "-L -u !ASSURED", "-L -u SEEN_REPLY,!ASSURED", "-L -u ASSURED,SEEN_REPLY -p udp", "-L -u EXPECTED", "-L -u FIXED_TIMEOUT", "-L -u UNSET", "-L -u OFFLOAD", "-L -u assured -p sctp",
	},
	"mark": {"-L -m 22", "-L -m 0x16", "-L -m 0", "-L -m 0x35 -p udp", "-L -m 0x10/0x10", "-L -m 0x11/0xff", "-L -m 0x5/0xf -f ipv6", "-L -m x", "-L -m 5/"},
	"zone": {
		"-L -w 3", "-L -w 0", "-L -w 4", "-L --orig-zone 4", "-L --reply-zone 4", "-L --orig-zone 3", "-L --reply-zone 0", "-L -w 3 -f ipv6", "-L -w 65539", "-L -w 3 -o save", "-L --orig-zone 4 -o xml", "-L --zone 3 -o extended",
	},
	"translated": {
		"-L -n", "-L -g", "-L -j", "-L -n -g", "-L -n -f ipv6", "-L -g -p tcp", "-L -n 203.0.113.200", "-L -n 203.0.113.200:7777", "-L -n 203.0.113.200:1", "-L -g 10.77.11.2", "-L -g 10.77.11.2:80", "-L -g 203.0.113.3", "-L -g 10.77.11.2:81",
		"-L -j 203.0.113.200", "-L -j 10.77.11.2:80", "-L -n fd77:b::201", "-L -g [fd77:a::3]:80", "-L --src-nat 203.0.113.200 --dst-nat 203.0.113.3", "-L -n 203.0.113.200 -g 10.77.11.2", "-L -j -o save", "-L -j -o xml", "-L -n -s 10.77.11.3",
	},
	"number":         {"-L -i @", "-L -i 1", "-L -i @ -o id", "-L -i @ -p tcp"},
	"security marks": {"-L -c 0", "-L -c 5"},
	"get": {
		"-G -p tcp -s 10.77.11.2 -d 203.0.113.2 --sport 1001 --dport 80", "-G -p tcp -s 10.77.11.2 -d 203.0.113.2 --sport 1001 --dport 80 -o extended,id,ktimestamp", "-G -p tcp -s 203.0.113.2 -d 10.77.11.2 --sport 80 --dport 1001",
		"-G -p udp -s fd77:a::2 -d fd77:b::2 --sport 1010 --dport 53", "-G -p udp -s fd77:a::2 -d fd77:b::2 --sport 1010 --dport 53 -o save", "-G -p sctp -s 10.77.11.2 -d 203.0.113.2 --sport 1020 --dport 132 -o xml",
		"-G -p icmp -s 10.77.11.2 -d 203.0.113.2 --icmp-type 8 --icmp-code 0 --icmp-id 77", "-G -p icmp -s 203.0.113.2 -d 10.77.11.2 --icmp-type 0 --icmp-code 0 --icmp-id 77", "-G -p icmp -s 10.77.11.2 -d 203.0.113.2 --icmp-type 9 --icmp-code 0",
		"-G -p icmpv6 -s fd77:a::2 -d fd77:b::2 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 77", "-G -p gre -s 10.77.11.2 -d 203.0.113.2 --srckey 0 --dstkey 0", "-G -p 200 -s 10.77.11.2 -d 203.0.113.2", "-G -p dccp -s 10.77.11.2 -d 203.0.113.2 --sport 1031 --dport 31",
		"-G -p udp -s 10.77.11.2 -d 203.0.113.2 --sport 1012 --dport 80", "-G -p udp -s 10.77.11.2 -d 203.0.113.2 --sport 1012 --dport 80 -w 3", "-G -p udp -s 10.77.11.2 -d 203.0.113.2 --sport 1013 --dport 81",
		"-G -p udp -s 203.0.113.2 -d 203.0.113.1 --sport 3001 --dport 8080 -o extended", "-G -p tcp -s 203.0.113.2 -d 203.0.113.200 --sport 443 --dport 2001", "-G -p tcp -r 203.0.113.2 -q 203.0.113.200 --reply-port-src 443 --reply-port-dst 2001",
		"-G -p tcp -s 10.77.11.2 -d 203.0.113.2 --sport 1 --dport 80", "-G -s 10.77.11.2 -d 203.0.113.2", "-G -p tcp -s 10.77.11.2 -d fd77:b::2 --sport 1 --dport 2", "-G -p tcp -s 10.77.11.2 --sport 1001 --dport 80", "-G -p tcp -s 10.77.11.2 -d 203.0.113.2 --sport 1001",
	},
	"labels": {
		"-L -o labels", "-L -o labels,xml", "-L -o labels,extended -f ipv6", "-L -l seven", "-L -l seventy", "-L -l seven,seventy", "-L -l other", "-L -l nobody", "-L -l 7", "-L -l seven -o labels", "-L -l seven,", "-G -p udp -s 10.77.11.2 -d 203.0.113.2 --sport 1014 --dport 5353 -o labels",
		"-U -p udp -s 10.77.11.2 --dport 5353 --label-add other", "-U -p udp -s 10.77.11.2 --dport 5353 --label-add other,seventy", "-L -o labels -p udp --dport 5353", "-U -p udp -s 10.77.11.2 --dport 5353 --label-del seven", "-L -o labels -p udp --dport 5353 -o xml",
		"-U -p udp -s 10.77.11.2 --dport 5354 --label-del", "-L -o labels -p udp", "-U -p udp -s 10.77.11.2 --dport 5354 --label-add nobody", "-U -p udp -s 10.77.11.2 --dport 5354 --label-add other -o labels", "-I -p udp -s 10.9.0.1 -d 10.9.0.2 --sport 1 --dport 2 -t 30000 --label-add seven",
		"-L -l seven -s 10.9.0.1 -o labels", "-D -l seven -o labels", "-D -s 10.9.0.1 -l other", "-D -l other", "-L -o labels -p udp --sport 1014",
	},
	"expected": {
		"-L expect", "-L exp", "-L expect -f ipv6", "-L expect -f ipv4 -o xml", "-L expect -o save", "-L expect -o id", "-C expect", "-C expect -f ipv6",
		"-G expect -p tcp -s 203.0.113.2 -d 10.77.11.2 --sport 0 --dport 5000 --reply-port-src 1 --reply-port-dst 1", "-G expect -p tcp -s 203.0.113.2 -d 10.77.11.2 --sport 7 --dport 5000 --reply-port-src 1 --reply-port-dst 1", "-G expect -p tcp -s 203.0.113.2 -d 10.77.11.2 --sport 0 --dport 5001 --reply-port-src 1 --reply-port-dst 1",
		"-G expect -p tcp -s fd77:b::2 -d fd77:a::2 --sport 0 --dport 5000 --reply-port-src 1 --reply-port-dst 1 -f ipv6", "-G expect -p udp -s 203.0.113.2 -d 10.77.11.2 --sport 0 --dport 5000 --reply-port-src 1 --reply-port-dst 1",
		"-I expect -p tcp -t 99 -s 10.77.11.2 -d 203.0.113.2 --sport 1001 --dport 80 --tuple-src 203.0.113.2 --tuple-dst 10.77.11.2 --tuple-port-src 0 --tuple-port-dst 6000 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 --mask-port-src 0 --mask-port-dst 65535",
		"-I expect -p tcp -t 99 -s 10.77.11.2 -d 203.0.113.2 --sport 9 --dport 21 --tuple-src 203.0.113.2 --tuple-dst 10.77.11.2 --tuple-port-src 0 --tuple-port-dst 6000 --mask-src 255.255.255.255 --mask-dst 255.255.255.255 --mask-port-src 0 --mask-port-dst 65535",
		"-D expect -p tcp -s 203.0.113.2 -d 10.77.11.2 --sport 0 --dport 5001 --reply-port-src 1 --reply-port-dst 1", "-D expect -p tcp -s 203.0.113.9 -d 10.77.11.2 --sport 0 --dport 5000 --reply-port-src 1 --reply-port-dst 1", "-D expect -p tcp -s 203.0.113.2 -d 10.77.11.2 --sport 9 --dport 5000 --reply-port-src 1 --reply-port-dst 1", "-L expect", "-C expect",
		"-D expect -p tcp -s 203.0.113.2 -d 10.77.11.2 --sport 0 --dport 5000 --reply-port-src 1 --reply-port-dst 1", "-L expect -f ipv6", "-F expect", "-L expect -f ipv6", "-C expect -f ipv6", "-L -p tcp --dport 21",
	},
	"wrong": {
		"-X", "-L -X", "-L --nope", "-L -D", "-L -s", "-L -s nowhere", "-L -s 10.77.11.2/33", "-L -r 10.77.11.0/24", "-L -s 10.77.11.2 -d fd77:b::2", "-L -f ipx", "-L -p", "-L -p nothing", "-L --sport 5", "-L -p icmp --sport 5", "-L -p tcp --sport",
		"-L -p tcp --state NOWHERE", "-L -p tcp --icmp-type 8", "-L -u NOTHING", "-L -u", "-L -o nothing", "-L -o save,id", "-L -t 5", "-L -z -p tcp", "-L -j -n", "-L nothing", "-D unconfirmed", "-U expect -m 5", "-L --mask-src 255.0.0.0", "-D --mask-dst 255.0.0.0",
		"-L -n 203.0.113.200:", "-L -n 203.0.113.0/24", "-L -g 10.77.11.2:99999", "-L -l seven", "-E -e NOTHING", "-E -z", "-E -u ASSURED", "-E -i 5", "-E expect -f ipv6", "-F -s 10.77.11.2", "-C -p tcp", "-S -p tcp", "-G", "-G -p tcp", "-I -p tcp", "-I -s 10.9.0.1 -d 10.9.0.2 -p tcp --sport 1 --dport 2",
		"-I -s 10.9.0.1 -d 10.9.0.2 -p tcp --sport 1 --dport 2 -t 30000", "-I -s 10.9.0.1 -d 10.9.0.2 -p udp --sport 1 -t 30000", "-I -s 10.9.0.1 -p udp --sport 1 --dport 2 -t 30000", "-I -s 10.9.0.1 -d fd77:b::2 -p udp --sport 1 --dport 2 -t 30000",
		"-I -s 10.9.0.1 -d 10.9.0.2 -p icmp --icmp-type 99 --icmp-code 0 -t 30000", "-I -s 10.9.0.1 -d 10.9.0.2 -p sctp --sport 1 --dport 2 --state ESTABLISHED -t 30000", "-I -s 10.9.0.1 -d 10.9.0.2 -p udp --sport 1 --dport 2 -t 30000 -w 1 --orig-zone 2 --reply-zone 3",
		"-U -p tcp --state NOWHERE", "-U --label-add a --label-del b", "-D expect", "-I expect", "-G expect -p tcp -s 203.0.113.2 -d 10.77.11.2", "-S expect -p tcp", "-R", "-R /nonexistent/file", "-L -w", "-L -m", "-L -i @ -i",
	},
	"make": {
		"-I -p tcp -s 10.77.11.2 -d 203.0.113.2 --sport 1001 --dport 80 --state ESTABLISHED -t 30000", "-A -p tcp -s 10.77.11.2 -d 203.0.113.2 --sport 1001 --dport 80 --state ESTABLISHED -t 30000", "-I -p udp -s 203.0.113.2 -d 203.0.113.200 --sport 7 --dport 7777 -t 30000",
		"-I -p udp -s 10.77.11.2 -d 203.0.113.2 --sport 1012 --dport 80 -t 30000", "-I -p udp -s 10.77.11.2 -d 203.0.113.2 --sport 1012 --dport 80 -t 30000 -w 3", "-I -p udp -s fd77:a::2 -d fd77:b::2 --sport 6 --dport 6 -t 30000 -u SEEN_REPLY -m 9", "-I -p udp -s 10.9.0.7 -d 10.9.0.2 --sport 1 --dport 2 -t 0",
		"-I -p tcp -s 10.9.0.7 -d 203.0.113.2 --sport 1 --dport 2 --state SYN_RECV -t 30000 -n 203.0.113.200:1234", "-I -p tcp -s 10.9.0.8 -d 203.0.113.2 --sport 1 --dport 2 --state SYN_RECV -t 30000 -n 203.0.113.200:1234", "-L -s 10.9.0.0/16", "-L -s 10.9.0.0/16 -o save", "-L -m 9",
		"-I -p udp -s 10.9.0.9 -d 10.9.0.2 --sport 1 --dport 2 -t 30000 -m 13 -u SEEN_REPLY", "-L -s 10.9.0.9", "-D -s 10.9.0.9",
	},
	"change": {
		"-U -p tcp -s 10.77.11.2 --sport 1001 -m 99", "-U -p tcp -s 10.77.11.2 --sport 1001 -m 99", "-U -p tcp -s 10.77.11.2 --dport 22 -m 0x100/0xf00 -o extended", "-U -p tcp -s 10.77.11.2 --sport 1003 -t 7700", "-U -p tcp -s 10.77.11.2 --sport 1001 --state CLOSE_WAIT", "-U -p tcp -s 10.77.11.2 --sport 1006 --state ESTABLISHED -t 500000 -o xml",
		"-U -p udp -s 10.77.11.2 --sport 1010 -u SEEN_REPLY,ASSURED", "-U -p udp -s 10.77.11.2 --sport 1010 -u UNSET", "-U -p udp -s 10.77.11.2 --sport 1011 -u FIXED_TIMEOUT", "-U -p udp -s 10.77.11.2 --sport 1011 -t 60000", "-U -p udp -s 10.77.11.2 --sport 1014 -u EXPECTED", "-U -p sctp -s 10.77.11.2 --sport 1020 --state SHUTDOWN_SENT",
		"-U -p sctp -s fd77:a::2 --sport 1020 --orig-vtag 5 --reply-vtag 6", "-U -p sctp -s fd77:a::2 --sport 1020 --orig-vtag 5 --reply-vtag 6 -m 9", "-U -p sctp -s fd77:a::2 --sport 1020 --state ESTABLISHED --orig-vtag 5", "-U -p sctp -s fd77:a::2 --sport 1020 --state SHUTDOWN_RECD --orig-vtag 369098752 --reply-vtag 184549376",
		"-U -p sctp -s fd77:a::2 --sport 1020 --state SHUTDOWN_RECD --orig-vtag 369098752 --reply-vtag 184549376", "-U -p sctp -s fd77:a::2 --sport 1020 --state SHUTDOWN_RECD --orig-vtag 5 --reply-vtag 6", "-U -p sctp -s fd77:a::2 --sport 1020 --state ESTABLISHED --orig-vtag 5 --reply-vtag 7", "-L -p sctp -o save",
		"-U -p icmp -s 10.77.11.2 --icmp-id 77 -m 3", "-U -p udp -s fd77:a::2 --sport 1010 -m 4 -o save", "-U -p udp -n -s 10.77.11.4 -m 8", "-U -p udp -g -s 203.0.113.2 -m 8 -o id", "-U -p udp -s 10.77.11.200 -m 8", "-U -p tcp -s 10.77.11.2 -i @ -m 9", "-U -p udp -s 10.77.11.2 -i @ -m 9",
		"-U -p tcp -q 203.0.113.200 --reply-port-dst 2001 -m 0x77", "-U -p 200 -s 10.77.11.2 -m 1", "-U -p gre -s 10.77.11.2 -t 4200", "-U -p udp -s 10.77.11.2 --sport 1014 -t 4400 -u EXPECTED -m 5", "-U -p sctp -s 10.77.11.2 --sport 1020 -t 5500 --state SHUTDOWN_SENT -m 5",
		"-U -p udp -s 10.77.11.2 --sport 1012 --reply-port-src 80 -w 3 -m 1", "-U -p udp -s 10.77.11.2 --sport 1013 --orig-zone 4 -m 1", "-U -f ipv6 -m 0 -p gre", "-L", "-L -o save",
	},
	"load": {
		"-R @etc/good", "-L -s 10.8.0.0/16", "-R @etc/good", "-R @etc/refused", "-L -s 10.8.0.0/16 -o save", "-R @etc/list", "-R @etc/wrong", "-R @etc/empty", "-R @etc/nothing", "-L -R @etc/good", "-D -s 10.8.0.0/16",
	},
	"delete": {
		"-D -p tcp -s 10.77.11.2 --sport 1001 -o extended", "-D -p tcp -s 10.77.11.2 --sport 1001", "-D -p udp -w 3 -f ipv4", "-D --orig-zone 4", "-D -m 0x77", "-D -p tcp --state TIME_WAIT", "-D -u FIXED_TIMEOUT", "-D -n 203.0.113.200 -o save", "-D -g -o xml", "-D -i @", "-D -s fd77:a::/64 -p tcp -o id", "-D -p icmp --icmp-type 13", "-D -p 200 -f ipv6",
		"-D -s 10.77.11.0/30 -p sctp", "-D -j", "-D -f ipv4 -p tcp", "-D -f ipv6 -p udp",
		"-L -z -f ipv6", "-L -f ipv4", "-L -z -n", "-L", "-L -z", "-L", // few of them: what begins a second page of a listing the kernel zeroes before it tells "-L", "-C", "-F", "-L", "-C", "-D",
	},
}

// meantLines are answered in another way than the tool does, and why; see package
// conntrack.
var meantLines = map[string]string{
	"-L -n fd77:b::201":    "IPv6 addresses count",
	"-L -g [fd77:a::3]:80": "IPv6 addresses count",
	"-L -s 10.9.0.9":       "-m holds although -u comes behind it",
	"-D -s 10.9.0.9":       "-m holds although -u comes behind it",
}

// loadFiles are files of commands for -R.
var loadFiles = map[string]string{
	"good": "# two connections\n\n-A -t 30000 -u SEEN_REPLY -s 10.8.0.1 -d 10.8.0.2 -p udp --sport 1 --dport 2\n" +
		"  -I -t 30000 -s 10.8.0.1 -d \"10.8.0.2\" -p tcp --sport 1 --dport 2 --state ESTABLISHED\n-U -s 10.8.0.1 -p udp -m 5\n",
	"refused": "-D -s 10.8.0.1 -p tcp\n-D -s 10.8.0.1 -p tcp\n-D -s 10.8.0.1 -p udp\n",
	"list":    "-D -s 10.8.0.1 -p udp\n-L\n",
	"wrong":   "-D -s 10.8.0.1 -p udp\n-D --nope\n",
	"empty":   "# nothing\n",
}

// trafficOrder is the order of their groups.
var trafficOrder = []string{
	"list", "family and address", "protocol", "status", "mark", "zone", "translated", "number", "security marks", "get", "wrong", "labels", "expected", "make", "change", "load", "delete",
}

// TestToolOnTraffic asks the kernel and a box, after the same packets, with the
// same command lines.
func TestToolOnTraffic(t *testing.T) {
	withTwo(t, func(w *two) {
		w.hear(t, talks()...)
		if want, got := w.sums(t, "-S"), w.boxSums("-S"); fmt.Sprint(want) != fmt.Sprint(got) || want["invalid"] == 0 || want["error"] == 0 {
			t.Errorf("-S: %v, want %v", got, want)
		}
		w.compareFiles(t)
		for _, group := range trafficOrder {
			t.Run(group, func(t *testing.T) {
				for _, line := range trafficLines[group] {
					w.compare(t, line, group == "labels")
				}
			})
		}
	})
}

// trafficEvents are followed while both hear the packets, and while tools then
// change what came of them.
var trafficEvents = []string{
	"-E", "-E -o extended,id", "-E -o ktimestamp", "-E -o timestamp", "-E expect -o timestamp", "-E -o xml", "-E -o save", "-E -e NEW", "-E -e UPDATES", "-E -e DESTROY", "-E -e NEW,DESTROY -p udp", "-E -p tcp --dport 22", "-E -f ipv6", "-E -m 22",
	"-E -s 10.77.11.3", "-E -d 203.0.113.2 -p sctp", "-E -p tcp --state TIME_WAIT", "-E -w 3", "-E --orig-zone 4", "-E -n", "-E -g", "-E -j -o save", "-E -s 10.77.11.0/31", "-E expect",
}

// afterwards are what tools do then.
var afterwards = []string{
	"-U -p tcp -s 10.77.11.2 --dport 22 -m 23", "-D -p udp --sport 1010", "-D -p tcp --dport 21", "-D -p icmp", "-D -p sctp", "-D -s 10.77.11.3", "-D -p udp -w 3", "-D --orig-zone 4", "-F expect", "-F",
}

// TestEventsOfTraffic follows, with every command line at once, what packets do
// to the kernel and to a box.
func TestEventsOfTraffic(t *testing.T) {
	withTwo(t, func(w *two) {
		type listener struct {
			line                  string
			tool                  *lab.Cmd
			kernel, box, errs, or bytes.Buffer
			status                chan int
		}
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		var all []*listener
		for _, line := range trafficEvents {
			l := &listener{line: line, tool: w.kernel.Command("conntrack", strings.Fields(line)...), status: make(chan int, 1)}
			l.tool.Stdout, l.tool.Stderr = &l.kernel, &l.errs
			if err := l.tool.Start(); err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = l.tool.Process.Kill() }() // if it still lives
			client, err := Connect(w.path)
			if err != nil {
				t.Error(err)
				return
			}
			go func() {
				r := &conntrack.Runner{
					Connect: func(string) (conntrack.Box, error) { return client, nil }, Stdin: strings.NewReader(""), Stdout: &l.box, Stderr: &l.or, LabelFile: "testdata/none",
				}
				l.status <- r.Run(ctx, strings.Fields(line))
			}()
			all = append(all, l)
		}
		w.waitListeners(t, len(all))
		time.Sleep(500 * time.Millisecond) // the tool says nowhere that it listens
		w.hear(t, talks()...)
		for _, line := range afterwards {
			w.compare(t, line, false)
		}
		time.Sleep(300 * time.Millisecond)
		stop()
		for _, l := range all {
			_ = l.tool.Process.Signal(os.Interrupt)
			_ = l.tool.Wait() // its status is that of the interrupt, or 0
			status := <-l.status
			want, got := answer{out: maskTool.ReplaceAllString(l.kernel.String(), "")}, answer{out: maskTool.ReplaceAllString(l.box.String(), ""), status: status}
			if strings.HasSuffix(l.line, "-o timestamp") {
				if n := len(stamped.FindAllString(got.out, -1)); n == 0 || n != strings.Count(got.out, "\n") {
					t.Errorf("conntrack %s: %d lines with the time\n%swant\n%s%s", l.line, n, got.out, want.out, &l.errs)
				}
				want.out, got.out = stamped.ReplaceAllString(want.out, ""), stamped.ReplaceAllString(got.out, "")
			}
			if !same(got, want) {
				t.Errorf("conntrack %s: status %d\n%s", l.line, status, unlike(got, want))
			}
			if a, b := inOrder(got.out), inOrder(want.out); a != b {
				t.Errorf("conntrack %s: in order\n%swant\n%s", l.line, a, b)
			}
		}
	})
}

// stamped is the time in front of an event.
var stamped = regexp.MustCompile(`(?m)^\[\d+\.[\d ]{6}\]\t`)

// inOrder are the events of text that packets bring about, as they came.
func inOrder(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, "[NEW]") || strings.Contains(line, "[UPDATE]") && !strings.Contains(line, "[USERSPACE]") {
			one, _ := answer{out: line}.masked()
			b.WriteString(one.out)
		}
	}
	return b.String()
}

// compareFiles compares the kernel's files.
func (w *two) compareFiles(t *testing.T) {
	t.Helper()
	read := func(file string) (kernel, box answer) {
		path := map[string]string{ProcStat: "stat/nf_conntrack"}[file]
		if path == "" {
			path = file
		}
		w.sluice.Now(time.Now())
		w.box.Drain()
		var out bytes.Buffer
		if err := w.Proc(&out, file); err != nil {
			t.Fatal(err)
		}
		return runTool(t, w.kernel.Command("cat", "/proc/net/"+path)), answer{out: out.String()}
	}
	for _, file := range []string{ProcConntrack, ProcExpect} {
		want, got := read(file)
		if file == ProcExpect { // seconds stand in front
			left := regexp.MustCompile(`(?m)^\d+`)
			want.out, got.out = left.ReplaceAllString(want.out, "T"), left.ReplaceAllString(got.out, "T")
		}
		if !same(got, want) {
			t.Errorf("%s: %s", file, unlike(got, want))
		}
	}
	want, got := read(ProcStat)
	if header, _, _ := strings.Cut(want.out, "\n"); !strings.HasPrefix(got.out, header+"\n") {
		t.Errorf("%s\nwant\n%s", got.out, want.out)
	}
	if a, b := columns(got.out), columns(want.out); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("%s: %v, want %v", ProcStat, a, b)
	}
}

// columns adds up the columns of the file of counters, but the first, which every
// row repeats.
func columns(text string) []uint64 {
	var sums []uint64
	for i, line := range slices.Collect(strings.Lines(text)) {
		for c, word := range strings.Fields(line) {
			n, err := strconv.ParseUint(word, 16, 64)
			switch {
			case i == 0:
				sums = append(sums, 0)
			case err != nil || c >= len(sums):
				return nil
			case c == 0:
				sums[c] = n
			default:
				sums[c] += n
			}
		}
	}
	return sums
}

// counters of a row, whose numbers -S writes behind their names.
var counted = regexp.MustCompile(`([a-z_]+)=(\d+)`)

// sums adds up what rows count, CPUs or workers.
func (w *two) sums(t *testing.T, line string) map[string]int {
	return sumsIn(w.kernelTool(t, strings.Fields(line), false).out)
}

func (w *two) boxSums(line string) map[string]int {
	return sumsIn(w.boxTool(strings.Fields(line), false).out)
}

func sumsIn(rows string) map[string]int {
	all := map[string]int{}
	for _, m := range counted.FindAllStringSubmatch(rows, -1) {
		if n, _ := strconv.Atoi(m[2]); m[1] != "cpu" {
			all[m[1]] += n
		}
	}
	return all
}
