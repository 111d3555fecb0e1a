package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-net/sluice/cmd/yamlfile"
)

// profile is the file that says what to do. What the fields mean is in
// profiles/all.yaml.
type profile struct {
	Title    string        `yaml:"title"`
	Duration time.Duration `yaml:"duration"`
	Settle   time.Duration `yaml:"settle"`
	Threads  int           `yaml:"threads"`
	Seed     uint64        `yaml:"seed"`
	Window   int           `yaml:"window"`

	Links    []linkProfile    `yaml:"links"`
	Ports    []portProfile    `yaml:"ports"`
	Streams  []streamProfile  `yaml:"streams"`
	Sessions *sessionsProfile `yaml:"sessions"`
	Method   *methodProfile   `yaml:"method"`

	file *yamlfile.File
}

type linkProfile struct {
	Name      string        `yaml:"name"`
	MTU       int           `yaml:"mtu"`
	Ring      int           `yaml:"ring"`
	Delay     time.Duration `yaml:"delay"`
	Drop      float64       `yaml:"drop"`
	Duplicate float64       `yaml:"duplicate"`
	Corrupt   float64       `yaml:"corrupt"`
	Reorder   float64       `yaml:"reorder"`
	Behind    int           `yaml:"behind"`
	Seed      uint64        `yaml:"seed"`
}

type portProfile struct {
	Name      string `yaml:"name"`
	Interface string `yaml:"interface"`
	Netns     string `yaml:"netns"`
	Mode      string `yaml:"mode"`
	Queues    int    `yaml:"queues"`
	Ring      int    `yaml:"ring"`
	Budget    int    `yaml:"budget"`
	Transmit  string `yaml:"transmit"`
	Generic   bool   `yaml:"generic"`
	Link      string `yaml:"link"`
	Pcap      string `yaml:"pcap"`
	Speed     string `yaml:"speed"`
}

type streamProfile struct {
	Name     string `yaml:"name"`
	From     string `yaml:"from"`
	To       string `yaml:"to"`
	Queue    int    `yaml:"queue"`
	Rate     string `yaml:"rate"`
	Burst    int    `yaml:"burst"`
	Count    uint64 `yaml:"count"`
	Size     any    `yaml:"size"`
	Unsigned bool   `yaml:"unsigned"`

	Eth struct {
		Src string `yaml:"src"`
		Dst string `yaml:"dst"`
	} `yaml:"eth"`
	VLAN []uint16 `yaml:"vlan"`
	IP   struct {
		Src  string `yaml:"src"`
		Dst  string `yaml:"dst"`
		TTL  uint8  `yaml:"ttl"`
		DSCP uint8  `yaml:"dscp"`
	} `yaml:"ip"`
	UDP  *portsProfile `yaml:"udp"`
	TCP  *portsProfile `yaml:"tcp"`
	ICMP *icmpProfile  `yaml:"icmp"`
	Vary []varyProfile `yaml:"vary"`

	Pcap  string `yaml:"pcap"`
	Speed string `yaml:"speed"`
	Loops int    `yaml:"loops"`
}

type portsProfile struct {
	Src   uint16 `yaml:"src"`
	Dst   uint16 `yaml:"dst"`
	Flags string `yaml:"flags"`
}

type icmpProfile struct {
	ID  uint16 `yaml:"id"`
	Seq uint16 `yaml:"seq"`
}

type varyProfile struct {
	Field string  `yaml:"field"`
	Count uint32  `yaml:"count"`
	Step  uint32  `yaml:"step"`
	Order string  `yaml:"order"`
	Skew  float64 `yaml:"skew"`
}

type sessionsProfile struct {
	From     string      `yaml:"from"`
	To       string      `yaml:"to"`
	Clients  poolProfile `yaml:"clients"`
	Servers  poolProfile `yaml:"servers"`
	Ports    []uint16    `yaml:"ports"`
	Gateways struct {
		Client string `yaml:"client"`
		Server string `yaml:"server"`
	} `yaml:"gateways"`
	Open     int           `yaml:"open"`
	Total    uint64        `yaml:"total"`
	Rate     float64       `yaml:"rate"`
	Requests int           `yaml:"requests"`
	Ask      int           `yaml:"ask"`
	Answer   int           `yaml:"answer"`
	Think    time.Duration `yaml:"think"`
	Timeout  time.Duration `yaml:"timeout"`
}

type poolProfile struct {
	First string `yaml:"first"`
	Count int    `yaml:"count"`
}

type methodProfile struct {
	Kind       string        `yaml:"kind"`
	Subject    string        `yaml:"subject"`
	Sizes      any           `yaml:"sizes"`
	Trial      time.Duration `yaml:"trial"`
	Resolution float64       `yaml:"resolution"`
	Tolerance  float64       `yaml:"tolerance"`
	MaxRate    string        `yaml:"max_rate"`
	Steps      int           `yaml:"steps"`
	Repeats    int           `yaml:"repeats"`
	Least      float64       `yaml:"least"`
	Most       float64       `yaml:"most"`
}

// readProfile reads a file. Names of captures are relative to it.
func readProfile(name string) (*profile, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	p, err := parseProfile(name, text)
	if err != nil {
		return nil, err
	}
	beside := func(path *string) {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(filepath.Dir(name), *path)
		}
	}
	for i := range p.Ports {
		beside(&p.Ports[i].Pcap)
	}
	for i := range p.Streams {
		beside(&p.Streams[i].Pcap)
	}
	return p, nil
}

func parseProfile(name string, text []byte) (p *profile, err error) {
	p = &profile{}
	if p.file, err = yamlfile.Decode(name, text, p); err == nil && p.file == nil {
		err = fmt.Errorf("%s: the file is empty", name)
	}
	return p, err
}

// wrong names the setting at path, for example streams[0].rate, and its place.
func (p *profile) wrong(path, format string, args ...any) error {
	return p.file.WrongIn(path, fmt.Errorf(format, args...))
}
