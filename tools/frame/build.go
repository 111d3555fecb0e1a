package frame

// Layer is one part of a frame: Ether, VLAN, ARP, IPv4, IPv6, an extension
// header, a transport header, Data or Cut.
type Layer interface {
	// encode returns the layer's bytes followed by payload. in describes what
	// stands around it.
	encode(payload []byte, in place) []byte
}

// place is a layer's surroundings.
type place struct {
	next  Layer // the layer behind, or nil
	ip    Layer // the nearest IPv4 or IPv6 in front, or nil
	proto uint8 // for IP and extension headers: number of what follows
}

// numbered is a layer with an IP protocol number.
type numbered interface{ number() uint8 }

// Build returns the frame made of layers.
func Build(layers ...Layer) []byte {
	var b []byte
	for i := len(layers) - 1; i >= 0; i-- {
		in := place{proto: NoNext}
		if i+1 < len(layers) {
			in.next = layers[i+1]
			if n, ok := in.next.(numbered); ok {
				in.proto = n.number()
			}
		}
		for j := i - 1; j >= 0 && in.ip == nil; j-- {
			switch layers[j].(type) {
			case IPv4, IPv6:
				in.ip = layers[j]
			}
		}
		if cut, ok := layers[i].(Cut); ok {
			b = b[:min(len(b), int(cut))]
			continue
		}
		b = layers[i].encode(b, in)
	}
	return b
}

// Cut keeps that many bytes of all layers behind it, whose length fields and
// checksums still speak of the whole: what an ICMP error quotes.
type Cut int

func (Cut) encode(payload []byte, _ place) []byte { return payload }

// Sum says what a checksum field gets.
type Sum uint8

const (
	SumRight Sum = iota // the right value
	SumWrong            // a wrong value, never zero
	SumZero             // zero
	SumBare             // the pseudo header's sum, as left for hardware to finish
)

// Lie is a value for a length or version field that contradicts the truth.
// Honest, the zero value, leaves the field right.
type Lie struct {
	Value uint16
	Set   bool
}

// Say makes a Lie.
func Say(v uint16) Lie { return Lie{v, true} }

func (l Lie) or(truth int) uint16 {
	if l.Set {
		return l.Value
	}
	return uint16(truth)
}

func put16(b []byte, v uint16) { b[0], b[1] = byte(v>>8), byte(v) }

func put32(b []byte, v uint32) {
	put16(b, uint16(v>>16))
	put16(b[2:], uint16(v))
}

func get16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }

func get32(b []byte) uint32 { return uint32(get16(b))<<16 | uint32(get16(b[2:])) }
