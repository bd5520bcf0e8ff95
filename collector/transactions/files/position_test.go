package files

import (
	"os"
	"strings"
	"testing"
)

func TestPositionComesBack(t *testing.T) {
	written, err := os.ReadFile("testdata/position")
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePosition(string(written))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.files) != 2 || p.files[1].inode != 132 || p.files[0].offset != 4711 || p.files[0].tail != 0xc2b2ae3d27d4eb4f || len(p.left) != 1 || !p.done[0x27d4eb4fc2b2ae3d] || !p.failed[0xff] {
		t.Errorf("got %+v", p)
	}
	if p.String() != string(written) {
		t.Errorf("written again it is\n%s", p)
	}
}

func TestPositionIsBounded(t *testing.T) {
	var p position
	for i := range int64(1000) {
		p.leave(mark{offset: 1000 + i})
	}
	if len(p.left) != maxLeft || p.left[maxLeft-1].offset != 1999 {
		t.Errorf("%d contents are remembered", len(p.left))
	}
}

func FuzzPosition(f *testing.F) {
	f.Add("1\nf 2049 131 4711 12 256 9ae16a3b2f90404f c2b2ae3d27d4eb4f\nl 1 1 1 1 1\nd ff\nx 0\n")
	f.Add("2\n")
	f.Add("1\nf -1 0 0 0 300 0 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePosition(text)
		if err != nil {
			if len(p.files)+len(p.left)+len(p.done)+len(p.failed) > 0 {
				t.Error("a bad position is used in part")
			}
			return
		}
		again, err := parsePosition(p.String())
		if err != nil || again.String() != p.String() {
			t.Errorf("%q comes back as %q, %v", text, again.String(), err)
		}
		for _, f := range p.files {
			if _, err := f.holds(strings.NewReader(text), int64(len(text))); err != nil {
				t.Errorf("looking at a file: %v", err)
			}
		}
	})
}
