package nft

import (
	"fmt"
	"io"
	"os"
)

// maxText bounds the bytes of a text: a device may have no end.
const maxText = 256 << 20

// ReadFile reads the file of a ruleset. Errors: those of os.ReadFile, and one that
// names the limit.
func ReadFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAll(name, f)
}

// ReadAll is ReadFile for something open; errors call it by the name.
func ReadAll(name string, from io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxText+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("%s: longer than the %d MiB that a ruleset may have", name, maxText>>20)
	}
	return text, nil
}
