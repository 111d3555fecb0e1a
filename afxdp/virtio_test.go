package afxdp

import (
	"errors"
	"strings"
	"testing"
)

// TestHeaderSymbol: the variable counts in the module only, and by its whole name.
func TestHeaderSymbol(t *testing.T) {
	for _, row := range []struct {
		name, list string
		want       bool
	}{
		{"nothing", "", false},
		{"in the kernel's image", "ffffffff92c0a0c0 b xsk_hdr\n", false},
		{"another module's", "ffffffffc0a0c0c0 b xsk_hdr\t[virtio_net_two]\n", false},
		{"a longer name", "ffffffffc0a0c0c0 b old_xsk_hdr\t[virtio_net]\n", false},
		{"in the module", "ffffffff92c0a0c0 T _text\nffffffffc0a0c0c0 b xsk_hdr\t[virtio_net]\nffffffffc0a0c0d0 t virtnet_poll\t[virtio_net]\n", true},
		{"for those who may not see addresses", "0000000000000000 b xsk_hdr\t[virtio_net]", true},
	} {
		if got := hasSymbol(strings.NewReader(row.list), headerSymbol); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
	if err := zeroCopyDefect("ixgbe"); err != nil {
		t.Errorf("another driver: %v", err)
	}
}

// TestAvoidDefect: a driver that must not send in zero-copy mode copies unless
// zero-copy is demanded, and either way it is told.
func TestAvoidDefect(t *testing.T) {
	defect := errors.New("it is broken")
	for _, row := range []struct {
		mode   Mode
		defect error
		want   Mode
		says   string
	}{
		{ModeAuto, nil, ModeAuto, ""},
		{ModeAuto, defect, ModeCopy, "eth0 copies"},
		{ModeZeroCopy, defect, ModeZeroCopy, "eth0 may not send"},
		{ModeZeroCopy, nil, ModeZeroCopy, ""},
		{ModeCopy, defect, ModeCopy, ""},
	} {
		o, warning := Options{Mode: row.mode}.avoidDefect("eth0", row.defect)
		told := row.says == "" && warning == "" || row.says != "" && strings.Contains(warning, row.says) && strings.Contains(warning, defect.Error())
		if o.Mode != row.want || !told {
			t.Errorf("%v, %v: %v, %q", row.mode, row.defect, o.Mode, warning)
		}
	}
}
