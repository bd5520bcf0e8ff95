package deploy

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"
)

// Bounds on one object's difference as people see it. Annotations can be a million characters long.
const (
	maxDiffLines = 400
	maxLineRunes = 200
	maxDiffBytes = 8 << 20 // of either side; beyond it only sizes are told
	onlySecrets  = "(only hidden values differ)\n"
)

// Diff tells the way from what is there to what is wanted, one line each with - or + in front. What looks like a secret
// is hidden; long lines and long differences are cut, and say so.
func Diff(name string, was, want []byte) string {
	if bytes.Equal(was, want) {
		return ""
	}
	if len(was) > maxDiffBytes || len(want) > maxDiffBytes {
		return fmt.Sprintf("(too large to show: %d bytes with hash %.12s become %d bytes with hash %.12s)\n", len(was), Sum(was), len(want), Sum(want))
	}
	a, b := shown(name, was), shown(name, want)
	text := string(diff.Diff("deployed/"+name, a, "generated/"+name, b))
	if text == "" {
		return onlySecrets
	}
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	lines = lines[1:] // "diff A B", which the next two lines say
	var out strings.Builder
	for i, line := range lines {
		if i == maxDiffLines {
			fmt.Fprintf(&out, "… %d more lines\n", len(lines)-i)
			break
		}
		out.WriteString(plain(strings.TrimSuffix(line, "\n")))
		out.WriteByte('\n')
	}
	return out.String()
}

// plain makes a line of any content one that a terminal can show.
func plain(line string) string {
	whole := line
	if n := utf8.RuneCountInString(line); n > maxLineRunes {
		cut := 0
		for range maxLineRunes {
			_, size := utf8.DecodeRuneInString(line[cut:])
			cut += size
		}
		// The hash tells two long lines apart whose beginnings are the same.
		line = fmt.Sprintf("%s … (%d characters, hash %.12s)", line[:cut], n, Sum([]byte(whole[1:])))
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return '�'
		}
		return r
	}, line)
}
