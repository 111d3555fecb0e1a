package pcap

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// FuzzInput reads any bytes as a capture file: there is an end, by an error or
// not, numbers rise by one, and no frame that may be delivered is shorter than
// its Ethernet header.
func FuzzInput(f *testing.F) {
	for _, link := range []layers.LinkType{layers.LinkTypeEthernet, layers.LinkTypeRaw, layers.LinkTypeNull, layers.LinkTypeLinuxSLL, layers.LinkTypeLinuxSLL2} {
		file := classic(f, link, record{0, append(make([]byte, 20), testIP...), 0}, record{1, testIP, 100})
		f.Add(file)
		f.Add(swapped(file))
	}
	f.Add(ng(f, []layers.LinkType{layers.LinkTypeEthernet, layers.LinkTypeRaw}, record{0, ether(1), 0}, record{1, testIP, 100}))
	f.Fuzz(func(t *testing.T, file []byte) {
		name := filepath.Join(t.TempDir(), "in.pcap")
		if err := os.WriteFile(name, file, 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := openInput(name, nil, []byte{2, 0, 0, 0, 0, 1})
		if err != nil {
			return
		}
		defer in.file.Close()
		for number := uint32(1); ; number++ {
			p, ok, err := in.read()
			if !ok || err != nil {
				return
			}
			if p.number != number {
				t.Fatalf("packet %d has number %d", number, p.number)
			}
			if p.refused == "" && len(p.frame) < 14 {
				t.Fatalf("packet %d has %d bytes", number, len(p.frame))
			}
			if int(number) > len(file) {
				t.Fatal("more packets than bytes")
			}
		}
	})
}
