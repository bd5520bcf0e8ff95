package httpin

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// The buffer for lines of some kilobytes is used again, that of a line of megabytes is not.
func TestLinesBufferIsKept(t *testing.T) {
	for _, tt := range []struct {
		line, lines int
		kept        bool
	}{{100, 100_000, true}, {2000, 2000, true}, {20_000, 200, true}, {3_000_000, 1, false}} {
		var b linesBuffer
		in := strings.NewReader(strings.Repeat(strings.Repeat("x", tt.line-1)+"\n", tt.lines))
		read := 0
		for {
			_, n, err := b.next(in)
			if read += n; errors.Is(err, io.EOF) {
				break
			}
		}
		if read != tt.lines {
			t.Errorf("%d lines of %d bytes are %d", tt.lines, tt.line, read)
		}
		if b.reset(); (cap(b.buf) > 0) != tt.kept {
			t.Errorf("after %d lines of %d bytes %d bytes are kept", tt.lines, tt.line, cap(b.buf))
		}
	}
}
