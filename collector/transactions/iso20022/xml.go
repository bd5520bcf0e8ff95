package iso20022

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Bounds of what is read. The longest text of the messages read has 500 characters, and their elements are at
// most 15 deep.
const (
	maxToken = 64 << 10 // bytes of a tag, a comment or a text
	maxDepth = 64       // elements in elements
	maxAttrs = 64       // of one element
	maxField = 256      // bytes of a value that is kept
)

// tokens reads XML as a stream of tags and texts and keeps one of them at a time. It knows no document types
// and no entities but XML's own five, and refuses both: nothing can expand, nothing outside is asked for.
type tokens struct {
	r        io.Reader
	buf      []byte
	from, to int
	line     int // of from, counting from 1
	begin    int // line of the token that is being read
	err      error

	enc    encoding
	opened bool   // the first bytes have been looked at
	names  []byte // of the open elements, one behind the other
	starts []int  // where each begins in names
	closes bool   // the last start tag was <empty/>: its end is the next token
}

func newTokens(r io.Reader) *tokens {
	return &tokens{r: r, buf: make([]byte, 2*maxToken), line: 1, begin: 1}
}

// kind is of a token.
type kind uint8

const (
	startTag kind = iota + 1
	endTag
	text
)

// token is valid until the next is asked for.
type token struct {
	kind  kind
	name  []byte // of a tag, as written, with its prefix
	attrs []attr // of a start tag
	raw   []byte // of a text, as written
	cdata bool   // raw holds no references
}

type attr struct{ name, raw []byte }

// depth is how many elements are open.
func (t *tokens) depth() int { return len(t.starts) }

// mistake is what is wrong with the token that is being read.
func (t *tokens) mistake(format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{t.begin}, args...)...)
}

// more reads at least one byte more, io.EOF: there is none.
func (t *tokens) more() error {
	if t.from > 0 && t.to == len(t.buf) {
		t.to = copy(t.buf, t.buf[t.from:t.to])
		t.from = 0
	}
	for tries := 0; t.err == nil; tries++ {
		n, err := t.r.Read(t.buf[t.to:])
		t.to += n
		switch {
		case err != nil:
			t.err = err
		case n == 0 && tries == 100:
			t.err = io.ErrNoProgress
		}
		if n > 0 {
			return nil
		}
	}
	if errors.Is(t.err, io.EOF) {
		return io.EOF
	}
	return fmt.Errorf("reading XML: line %d: %w", t.line, t.err)
}

// next is the next tag or text. io.EOF: the input has ended where it may.
func (t *tokens) next() (token, error) {
	if t.closes {
		t.closes = false
		return t.close(token{kind: endTag, name: t.names[t.starts[t.depth()-1]:]}), nil
	}
	if !t.opened {
		t.opened = true
		if err := t.open(); err != nil {
			return token{}, err
		}
	}
	for {
		if t.from == t.to {
			if err := t.more(); err != nil {
				return token{}, t.ended(err)
			}
		}
		tok, err := t.one()
		if err != nil || tok.kind != 0 {
			return tok, err
		}
	}
}

// ended turns the end of the input into a mistake where elements are open.
func (t *tokens) ended(err error) error {
	t.begin = t.line
	if errors.Is(err, io.EOF) && t.depth() > 0 {
		return t.mistake("the input ends within an element")
	}
	return err
}

// one reads one token; its kind is 0 if it is none of those handed on.
func (t *tokens) one() (token, error) {
	t.begin = t.line
	if t.buf[t.from] != '<' {
		raw, err := t.upTo("<", 0)
		if errors.Is(err, io.EOF) {
			raw, err = t.take(t.to-t.from), nil
		}
		if err == nil {
			err = t.check(raw)
		}
		if err != nil {
			return token{}, err
		}
		if t.depth() > 0 {
			return token{kind: text, raw: raw}, t.references(raw)
		}
		if len(bytes.TrimSpace(raw)) > 0 {
			return token{}, t.mistake("text outside any element")
		}
		return token{}, nil
	}
	for t.to-t.from < len("<![CDATA[") {
		if err := t.more(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return token{}, err
		}
	}
	switch ahead := t.buf[t.from:t.to]; {
	case bytes.HasPrefix(ahead, []byte("<!--")):
		return token{}, t.skip("-->", len("<!--"))
	case bytes.HasPrefix(ahead, []byte("<![CDATA[")):
		return t.cdata()
	case bytes.HasPrefix(ahead, []byte("<!")):
		return token{}, t.mistake("a document type or entity declaration, which is refused")
	case bytes.HasPrefix(ahead, []byte("<?")):
		return token{}, t.instruction()
	case bytes.HasPrefix(ahead, []byte("</")):
		return t.end()
	default:
		return t.start()
	}
}

// upTo takes what stands before mark, which is looked for from the offset on. io.EOF: there is none.
func (t *tokens) upTo(mark string, offset int) ([]byte, error) {
	for seen := offset; ; {
		if t.to-t.from >= seen {
			if i := bytes.Index(t.buf[t.from+seen:t.to], []byte(mark)); i >= 0 && seen+i <= maxToken {
				return t.take(seen + i), nil
			}
		}
		if t.to-t.from > maxToken {
			return nil, t.mistake("a tag or text of more than %d bytes", maxToken)
		}
		seen = max(offset, t.to-t.from-len(mark)+1)
		if err := t.more(); err != nil {
			return nil, err
		}
	}
}

// whole is upTo with the mark, which has to come.
func (t *tokens) whole(mark string, offset int) ([]byte, error) {
	raw, err := t.upTo(mark, offset)
	if errors.Is(err, io.EOF) {
		return nil, t.mistake("the input ends within a tag")
	}
	if err != nil {
		return nil, err
	}
	t.take(len(mark))
	return raw, t.check(raw)
}

// take hands out n bytes.
func (t *tokens) take(n int) []byte {
	raw := t.buf[t.from : t.from+n]
	t.line += bytes.Count(raw, []byte{'\n'})
	t.from += n
	return raw
}

func (t *tokens) skip(mark string, offset int) error {
	_, err := t.whole(mark, offset)
	return err
}

func (t *tokens) cdata() (token, error) {
	const begin = "<![CDATA["
	raw, err := t.whole("]]>", len(begin))
	if err == nil && t.depth() == 0 {
		err = t.mistake("text outside any element")
	}
	if err != nil {
		return token{}, err
	}
	return token{kind: text, raw: raw[len(begin):], cdata: true}, nil
}

// instruction skips one, but for the declaration that begins a document, which names the encoding.
func (t *tokens) instruction() error {
	raw, err := t.whole("?>", len("<?"))
	if err != nil {
		return err
	}
	rest, is := bytes.CutPrefix(raw, []byte("<?xml"))
	if !is || len(rest) == 0 || !isSpace(rest[0]) {
		return nil
	}
	if t.depth() > 0 {
		return t.mistake("an XML declaration within an element")
	}
	attrs, err := t.attributes(rest)
	if err != nil {
		return err
	}
	for _, a := range attrs {
		if string(a.name) == "encoding" {
			return t.declare(string(a.raw))
		}
	}
	return nil
}

func (t *tokens) end() (token, error) {
	raw, err := t.whole(">", len("</"))
	if err != nil {
		return token{}, err
	}
	name := bytes.TrimRight(raw[len("</"):], " \t\r\n")
	if t.depth() == 0 {
		return token{}, t.mistake("an end tag of an element that is not open")
	}
	if open := t.names[t.starts[t.depth()-1]:]; !bytes.Equal(open, name) {
		return token{}, t.mistake("an end tag that is not that of the element %s", shown(open))
	}
	return t.close(token{kind: endTag, name: name}), nil
}

// close closes the innermost element. With the outermost a document ends, and so does its encoding.
func (t *tokens) close(tok token) token {
	last := t.depth() - 1
	t.names, t.starts = t.names[:t.starts[last]], t.starts[:last]
	if last == 0 {
		t.enc = utf8Text
	}
	return tok
}

func (t *tokens) start() (token, error) {
	raw, err := t.tag()
	if err != nil {
		return token{}, err
	}
	raw, closes := bytes.CutSuffix(raw[1:], []byte("/"))
	i := 0
	for i < len(raw) && !isSpace(raw[i]) {
		i++
	}
	name := raw[:i]
	if !isName(name) {
		return token{}, t.mistake("a tag without a name")
	}
	attrs, err := t.attributes(raw[i:])
	if err != nil {
		return token{}, err
	}
	for _, a := range attrs {
		if err := t.references(a.raw); err != nil {
			return token{}, err
		}
	}
	if t.depth() == maxDepth {
		return token{}, t.mistake("elements nested deeper than %d levels", maxDepth)
	}
	t.starts = append(t.starts, len(t.names))
	t.names = append(t.names, name...)
	t.closes = closes
	return token{kind: startTag, name: name, attrs: attrs}, nil
}

// tag takes a start tag without its last bracket; brackets in quotes do not count.
func (t *tokens) tag() ([]byte, error) {
	quote := byte(0)
	for seen := 1; ; {
		for ; t.from+seen < t.to && seen <= maxToken; seen++ {
			switch c := t.buf[t.from+seen]; {
			case quote != 0:
				if c == quote {
					quote = 0
				}
			case c == '"' || c == '\'':
				quote = c
			case c == '<':
				return nil, t.mistake("a tag within a tag")
			case c == '>':
				raw := t.take(seen)
				t.take(1)
				return raw, t.check(raw)
			}
		}
		if seen > maxToken {
			return nil, t.mistake("a tag or text of more than %d bytes", maxToken)
		}
		if err := t.more(); errors.Is(err, io.EOF) {
			return nil, t.mistake("the input ends within a tag")
		} else if err != nil {
			return nil, err
		}
	}
}

// attributes reads name="value" as often as it stands there.
func (t *tokens) attributes(raw []byte) ([]attr, error) {
	var attrs []attr
	for {
		rest := bytes.TrimLeft(raw, " \t\r\n")
		if len(rest) == 0 {
			return attrs, nil
		}
		name, behind, found := bytes.Cut(rest, []byte{'='})
		name = bytes.TrimRight(name, " \t\r\n")
		behind = bytes.TrimLeft(behind, " \t\r\n")
		if !found || !isName(name) || len(rest) == len(raw) || len(behind) < 2 || behind[0] != '"' && behind[0] != '\'' {
			return nil, t.mistake(`an attribute that is not written name="value"`)
		}
		end := bytes.IndexByte(behind[1:], behind[0])
		if end < 0 || bytes.IndexByte(behind[1:1+end], '<') >= 0 {
			return nil, t.mistake(`an attribute that is not written name="value"`)
		}
		if len(attrs) == maxAttrs {
			return nil, t.mistake("an element with more than %d attributes", maxAttrs)
		}
		if slices.ContainsFunc(attrs, func(a attr) bool { return bytes.Equal(a.name, name) }) {
			return nil, t.mistake("an attribute that stands twice in one tag")
		}
		attrs = append(attrs, attr{name, behind[1 : 1+end]})
		raw = behind[1+end+1:]
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// isName is a little more generous than XML, beyond ASCII.
func isName(b []byte) bool {
	for i, c := range b {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == ':' || c >= 0x80
		if !letter && (i == 0 || c != '-' && c != '.' && (c < '0' || c > '9')) {
			return false
		}
	}
	return len(b) > 0
}

// shown is a name of an element that is not too long for a message.
func shown(name []byte) string {
	if len(name) > 40 {
		return string(name[:40]) + "…"
	}
	return string(name)
}
