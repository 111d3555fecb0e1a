package rules

import "github.com/sluice-net/sluice/dataplane/packet"

// Extension is a match or a target that is none of the engine's instructions.
// It is what nft.Extension.Impl has to be.
//
// Run is called by workers, for each packet that reaches its rule, by all of
// them at the same time. It must come to an end after a number of steps that does
// not depend on others, must not allocate, lock, wait or call out, and must not
// keep p, its bytes or env. What it remembers belongs to it and is changed with
// atomic operations only. It may change marks and bytes of the packet, whose
// checksums it then mends. Only rules that use an extension pay for the call.
//
// Flows whose packets reach one have no plan unless it is PerFlow: each of their
// packets is judged.
type Extension interface {
	Run(p *packet.Packet, env *Env) Action
}

// Stateless is an Extension that never looks at the packet's connection: for its
// sake conntrack need not see packets.
type Stateless interface {
	Extension
	Stateless()
}

// PerFlow is an Extension that says and does the same for all packets of a flow and
// direction that come in by the same port: it does not stand in the way of a plan.
type PerFlow interface {
	Extension
	PerFlow()
}

// Unbridged is an Extension that is right only where the box is a router: a wire
// refuses it for the reason it returns.
type Unbridged interface {
	Extension
	Unbridged() string
}

// Action is what an extension says. The zero value drops.
type Action uint8

const (
	ActDrop     Action = iota
	ActContinue        // a match: it holds; a target: go on behind it
	ActNext            // a match: it does not hold; go on with the next rule
	ActAccept
	ActReturn // to the calling chain
	ActStolen // the extension has taken what it wants; the frame itself goes back
	ActQueue
	ActRepeat // the base chain again from its first rule
)

// maxRepeats bounds how often a packet may go through one base chain again.
const maxRepeats = 16
