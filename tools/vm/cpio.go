package main

import (
	"bytes"
	"fmt"
	"io"
)

// cpio is an archive in the format that the kernel unpacks as its first file
// system: "newc" of cpio(5), every number as eight hexadecimal digits.
type cpio struct {
	b     bytes.Buffer
	inode int
}

// Kinds of file, as in st_mode.
const (
	kindFile   = 0o100000
	kindFolder = 0o040000
	kindLink   = 0o120000
)

func (c *cpio) folder(name string)                      { c.entry(name, kindFolder|0o755, nil) }
func (c *cpio) file(name string, mode int, data []byte) { c.entry(name, kindFile|mode, data) }
func (c *cpio) link(name, target string)                { c.entry(name, kindLink|0o777, []byte(target)) }
func (c *cpio) pad()                                    { c.b.Write(make([]byte, -c.b.Len()&3)) }

// entry adds a file. Folders must come before what is in them.
func (c *cpio) entry(name string, mode int, data []byte) {
	c.inode++
	// Inode, mode, uid, gid, links, time, size, the device's and the own numbers
	// for special files, length of the name with its end, no checksum.
	c.b.WriteString("070701")
	for _, v := range []int{c.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0} {
		fmt.Fprintf(&c.b, "%08x", v)
	}
	c.b.WriteString(name)
	c.b.WriteByte(0)
	c.pad()
	c.b.Write(data)
	c.pad()
}

// writeTo ends the archive and writes it. Not compressed: to unpack it would
// take the machine longer than to load it.
func (c *cpio) writeTo(w io.Writer) error {
	c.entry("TRAILER!!!", 0, nil)
	_, err := c.b.WriteTo(w)
	return err
}
