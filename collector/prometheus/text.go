package prometheus

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/assayer-io/assayer/collector"
)

const (
	readSize = 64 << 10  // first size of the read buffer
	maxLine  = 1 << 20   // bytes of one line; a longer one fails the cycle
	maxChunk = 256 << 10 // wanted lines are parsed when they are this many bytes
)

// Why a text body fails as a whole.
var (
	errNoFinalNewline = errors.New("body ends within a line")
	errNoEOF          = errors.New("OpenMetrics body does not end with # EOF")
	errAfterEOF       = errors.New("data after # EOF")
	errLongLine       = fmt.Errorf("line is longer than %d bytes", maxLine)
	errNUL            = errors.New("NUL byte in a line")
)

// textScan reads a text exposition line by line and hands the lines that are wanted, with the
// metadata needed to read them, to Prometheus' parser. It never holds more than the line at hand
// and one chunk of wanted lines. Lines of other names are skipped without a look at what follows
// the name; lines that begin with anything but a name always go to the parser.
//
// It relies on line breaks inside label values being written \n, as both formats demand.
type textScan struct {
	answer *answer
	uses   map[string]use // nil: every line is wanted
	format format

	buf   []byte // read buffer
	kept  []byte // wanted lines not parsed yet
	chunk int    // bytes of kept at which they are parsed

	name     []byte // name of the last line that began with one
	wanted   bool   // whether that name is wanted
	typeLine []byte // last # TYPE line, whoever's it was
	typeSent bool   // whether kept has it
	eof      bool   // # EOF has been read

	types model.MetricType // of the last TYPE line parsed
}

// reset prepares the scan for another body, keeping its buffers.
func (t *textScan) reset(a *answer, uses map[string]use, f format) {
	*t = textScan{answer: a, uses: uses, format: f, buf: t.buf, kept: t.kept[:0], chunk: cmp.Or(t.chunk, maxChunk), name: t.name[:0], typeLine: t.typeLine[:0]}
	if t.buf == nil {
		t.buf = make([]byte, readSize)
	}
}

// read scans the whole of r.
func (t *textScan) read(r io.Reader) error {
	held := 0 // bytes at the front of buf that are an unfinished line
	for {
		n, err := r.Read(t.buf[held:])
		t.answer.stats.Bytes += int64(n)
		full := held + n
		if end := bytes.LastIndexByte(t.buf[held:full], '\n'); end >= 0 {
			end += held + 1
			if err := t.block(t.buf[:end]); err != nil {
				return err
			}
			held = copy(t.buf, t.buf[end:full])
		} else {
			held = full
		}
		if errors.Is(err, io.EOF) {
			return t.end(t.buf[:held])
		}
		if err != nil {
			return err
		}
		if held == len(t.buf) {
			if held >= maxLine {
				return errLongLine
			}
			t.buf = append(t.buf, make([]byte, len(t.buf))...)
		}
	}
}

// block scans whole lines.
func (t *textScan) block(b []byte) error {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		line := b[:i+1]
		b = b[i+1:]
		// Most lines have the name of the line before.
		if n := len(t.name); n > 0 && len(line) > n && (line[n] == '{' || line[n] == ' ') && string(line[:n]) == string(t.name) && !t.eof {
			t.answer.stats.Seen++
			if !t.wanted {
				continue
			}
			t.keep(line)
		} else if err := t.line(line); err != nil {
			return err
		}
		if len(t.kept) >= t.chunk {
			if err := t.parse(); err != nil {
				return err
			}
		}
	}
	return nil
}

// line decides about a line whose name differs from the one before.
func (t *textScan) line(line []byte) error {
	if t.eof {
		return errAfterEOF
	}
	rest := line
	if t.format == formatText { // which allows blanks before the name, and blank lines
		if rest = trimBlanks(line, formatText); len(rest) == 1 {
			return nil
		}
	}
	n := nameLength(rest)
	switch {
	case n > 0:
		t.answer.stats.Seen++
		t.name = append(t.name[:0], rest[:n]...)
		if t.wanted = t.uses == nil || t.uses[string(t.name)]&useSample != 0; t.wanted {
			t.keep(line)
		}
	case rest[0] == '#':
		t.comment(line, rest)
	default:
		if rest[0] == '{' {
			t.answer.stats.Seen++
		}
		t.keep(line)
	}
	return nil
}

// comment decides about a line that begins with #.
func (t *textScan) comment(line, rest []byte) {
	if t.format == formatOpenMetrics && string(line) == "# EOF\n" {
		t.eof = true
		return
	}
	word, after := metadata(rest, t.format)
	if word == "" {
		if t.format == formatOpenMetrics { // which knows no other comments
			t.kept = append(t.kept, line...)
		}
		return
	}
	n := nameLength(after)
	needed := n == 0 || t.uses == nil || t.uses[string(after[:n])]&useFamily != 0
	if word == "TYPE" {
		t.typeLine, t.typeSent = append(t.typeLine[:0], line...), needed
	}
	if needed {
		t.kept = append(t.kept, line...)
	}
}

// keep puts a sample's line before the parser. The parser reads it by the last TYPE line there
// was, even where that belonged to a family of its own that nobody wants.
func (t *textScan) keep(line []byte) {
	if !t.typeSent {
		t.kept = append(t.kept, t.typeLine...)
		t.typeSent = true
	}
	t.kept = append(t.kept, line...)
}

// end takes what follows the last line break.
func (t *textScan) end(rest []byte) error {
	if t.format == formatOpenMetrics {
		switch {
		case !t.eof && string(rest) == "# EOF":
		case !t.eof:
			return errNoEOF
		case len(rest) > 0:
			return errAfterEOF
		}
	} else if len(rest) > 0 {
		return errNoFinalNewline
	}
	return t.parse()
}

// parse reads the lines kept so far.
func (t *textScan) parse() error {
	if bytes.IndexByte(t.kept, 0) >= 0 {
		return errNUL // the parser would take it for the end
	}
	var p textparse.Parser
	if t.format == formatOpenMetrics {
		t.kept = append(t.kept, "# EOF\n"...)
		p = textparse.NewOpenMetricsParser(t.kept, labels.NewSymbolTable())
	} else {
		p = textparse.NewPromParser(t.kept, labels.NewSymbolTable(), false)
	}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("malformed line: %w", err)
		}
		if err := t.entry(entry, p); err != nil {
			return err
		}
	}
	t.kept, t.typeSent = t.kept[:0], false
	return nil
}

// entry takes what the parser stands on.
func (t *textScan) entry(entry textparse.Entry, p textparse.Parser) error {
	var name []byte
	switch entry {
	case textparse.EntrySeries:
		raw, ts, v := p.Series()
		e, err := t.answer.memory.find(raw, p, t.types, t.format)
		if err != nil {
			return err
		}
		return t.answer.add(e, collector.Sample{Value: v}, ts)
	case textparse.EntryType:
		name, t.types = p.Type()
	case textparse.EntryHelp:
		name, _ = p.Help()
	case textparse.EntryUnit:
		name, _ = p.Unit()
	}
	if bytes.IndexByte(name, '\n') >= 0 { // it has swallowed the lines after it
		return fmt.Errorf("%w: %.200q", errLineBreak, name)
	}
	return nil
}

// nameLength is the length of the metric name that b begins with.
func nameLength(b []byte) int {
	for i, c := range b {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == ':'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return i
		}
	}
	return len(b)
}

// metadata splits a comment into HELP, TYPE or UNIT and what follows; word is empty for any other.
func metadata(b []byte, f format) (word string, after []byte) {
	b = b[1:] // the #
	words := trimBlanks(b, f)
	if len(words) == len(b) || f == formatOpenMetrics && len(b)-len(words) != 1 {
		return "", nil
	}
	for _, w := range [...]string{"HELP", "TYPE", "UNIT"} {
		after, ok := bytes.CutPrefix(words, []byte(w))
		if !ok || w == "UNIT" && f == formatText {
			continue
		}
		name := trimBlanks(after, f)
		if len(name) == len(after) {
			return "", nil
		}
		return w, name
	}
	return "", nil
}

// trimBlanks cuts off the blanks that b begins with. It stands for bytes.TrimLeft, which takes longer
// to look at its set of characters than there are blanks.
func trimBlanks(b []byte, f format) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' && f == formatText) {
		b = b[1:]
	}
	return b
}
