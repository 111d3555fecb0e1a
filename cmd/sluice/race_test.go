//go:build race

package main

// The race detector makes replays slow: it plays a part of the captures.
const raceEnabled = true
