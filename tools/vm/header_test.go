package main

import "testing"

// TestReadHeader: what the kernel lists becomes an address of the machine's memory,
// also when the kernel was moved, to either side.
func TestReadHeader(t *testing.T) {
	const fixed = "ffffffff81000000 T _text\nffffffff81000000 T _text_two\n"
	for _, row := range []struct {
		name, text string
		want       header
		fails      bool
	}{
		{"not moved", fixed + "ffffffffc0123690 b xsk_hdr\t[virtio_net]\n  01000000-01ffffff : Kernel code\n", header{true, 0x40123690}, false},
		{"moved up in memory", fixed + "ffffffffc0123690 b xsk_hdr\t[virtio_net]\n  11000000-11ffffff : Kernel code\n", header{true, 0x50123690}, false},
		{"moved up in addresses", "ffffffffb1000000 T _text\nffffffffc0123690 b xsk_hdr\t[virtio_net]\n  01000000-01ffffff : Kernel code\n", header{true, 0x10123690}, false},
		{"in the kernel's image", fixed + "ffffffff82123690 b xsk_hdr\n  01000000-01ffffff : Kernel code\n", header{}, false},
		{"no such variable", fixed + "  01000000-01ffffff : Kernel code\n", header{}, false},
		{"nothing told", "", header{}, true},
		{"no number", "here T _text\n  01000000-01ffffff : Kernel code\n", header{}, true},
	} {
		got, err := readHeader(row.text)
		if got != row.want || (err != nil) != row.fails {
			t.Errorf("%s: %+v, %v", row.name, got, err)
		}
	}
}
