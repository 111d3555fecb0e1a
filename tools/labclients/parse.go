package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var counterText = regexp.MustCompile(`\bcounter packets ([0-9]+) bytes [0-9]+\b`)

// counterOf finds the packets counted by the rule with a comment in a listed
// ruleset.
func counterOf(listing, comment string) (uint64, error) {
	for line := range strings.Lines(listing) {
		if !strings.Contains(line, `comment "`+comment+`"`) {
			continue
		}
		m := counterText.FindStringSubmatch(line)
		if m == nil {
			return 0, fmt.Errorf("the rule %q shows no counter: %s", comment, line)
		}
		return strconv.ParseUint(m[1], 10, 64)
	}
	return 0, fmt.Errorf("no rule %q in the listing: %s", comment, listing)
}

// hops reads what traceroute -n or tracepath -n wrote: the address of each hop
// by its number, empty for one that did not answer.
func hops(text string) map[int]string {
	list := map[int]string{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, err := strconv.Atoi(strings.TrimRight(f[0], ":?"))
		if err != nil || strings.HasSuffix(f[0], "?:") { // tracepath's own guess
			continue
		}
		addr := f[1]
		if addr == "*" || addr == "no" {
			addr = ""
		}
		if list[n] == "" {
			list[n] = addr
		}
	}
	return list
}

var pmtuText = regexp.MustCompile(`\bpmtu ([0-9]+)`)

// lastPMTU is the last path MTU that tracepath tells of; 0: none.
func lastPMTU(text string) int {
	n := 0
	for _, m := range pmtuText.FindAllStringSubmatch(text, -1) {
		n, _ = strconv.Atoi(m[1]) // digits only
	}
	return n
}

var lossText = regexp.MustCompile(`([0-9]+) packets transmitted, ([0-9]+) received.* ([0-9.]+)% packet loss`)

// iperfResult is the part of iperf3's JSON that is looked at.
type iperfResult struct {
	Error string `json:"error"`
	End   struct {
		SumReceived struct {
			BitsPerSecond float64 `json:"bits_per_second"`
			Bytes         float64 `json:"bytes"`
		} `json:"sum_received"`
		SumSent struct {
			Retransmits int `json:"retransmits"`
		} `json:"sum_sent"`
		Sum struct {
			BitsPerSecond float64 `json:"bits_per_second"`
			LostPackets   int     `json:"lost_packets"`
			Packets       int     `json:"packets"`
		} `json:"sum"`
	} `json:"end"`
}

func parseIperf(text string) (r iperfResult, err error) {
	if err = json.Unmarshal([]byte(text), &r); err != nil {
		return r, fmt.Errorf("iperf3: %w: %s", err, text)
	}
	if r.Error != "" {
		return r, fmt.Errorf("iperf3: %s", r.Error)
	}
	return r, nil
}
