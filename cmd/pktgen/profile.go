package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
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

	file *file
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

// file is a parsed profile, to tell places.
type file struct {
	name string
	tree *ast.File
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

func parseProfile(name string, text []byte) (*profile, error) {
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, place(name, err)
	}
	if len(tree.Docs) != 1 || tree.Docs[0].Body == nil {
		return nil, fmt.Errorf("%s:1:1: want one document that is not empty", name)
	}
	p := &profile{file: &file{name, tree}}
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(p); err != nil {
		return nil, place(name, err)
	}
	return p, nil
}

// place puts an error of the library into the form FILE:LINE:COLUMN: what.
func place(name string, err error) error {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil || at.GetToken().Position == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p, what := at.GetToken().Position, at.GetMessage()
	if key, ok := strings.CutPrefix(what, "unknown field "); ok {
		what = "unknown setting " + key
	}
	return fmt.Errorf("%s:%d:%d: %s", name, p.Line, p.Column, what)
}

// wrong names the setting at path, for example streams[0].rate, and its place; of
// a setting that is not in the file, the place of what should hold it.
func (p *profile) wrong(path, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	for at := path; p.file != nil && at != ""; at = at[:max(strings.LastIndexAny(at, ".["), 0)] {
		found, bad := yaml.PathString("$." + at)
		if bad != nil {
			continue
		}
		node, bad := found.FilterFile(p.file.tree)
		if bad != nil || node == nil || node.GetToken() == nil {
			continue
		}
		pos := node.GetToken().Position
		return fmt.Errorf("%s:%d:%d: %s: %w", p.file.name, pos.Line, pos.Column, path, err)
	}
	if p.file != nil {
		return fmt.Errorf("%s:1:1: %s: %w", p.file.name, path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}
