package iso20022

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/assayer-io/assayer/collector/transactions"
)

// maxGroups bounds the statuses of whole groups that wait for the end of their message, which shows whether
// transactions are named.
const maxGroups = 1000

// decoder reads one input.
type decoder struct {
	shared
	in   *tokens
	emit func(transactions.Event) error

	outside []binding // of prefixes, in elements around documents and in Document
	passed  string    // the first message that was passed over and should perhaps not have been
	read    bool      // a message was read, or one passed over that tells of no payment

	elements bool // there was one

	// Of the document that is being read.
	message string // pacs.008; empty: outside
	version string // pacs.008.001.08
	below   int    // depth of Document
	path    []*node
	facts   facts
	saved   []facts // of the scopes around
	text    []byte  // of the element whose text is kept

	told    int  // transactions of this message
	entry   held // of an account
	headers []transactions.Event
	groups  []transactions.Event
}

// facts are values of fields that are in scope.
type facts struct {
	values [fields]string
	own    [fields]bool // set in this scope, not in one around it
	told   int          // transactions when the scope began
}

// held is what of an account's entry waits for its end, which shows whether it has one transaction.
type held struct {
	event *transactions.Event
	n     int
}

// binding is a namespace that a prefix stands for.
type binding struct {
	depth       int
	prefix, uri string
}

func (d *decoder) run() error {
	for {
		tok, err := d.in.next()
		switch {
		case errors.Is(err, io.EOF):
			return d.over()
		case err != nil:
			return d.named(err)
		}
		switch tok.kind {
		case startTag:
			err = d.start(tok)
		case endTag:
			err = d.end()
		case text:
			err = d.keep(tok)
		}
		if err != nil {
			return err
		}
	}
}

// over holds the end of the input to having been of use.
func (d *decoder) over() error {
	switch {
	case d.read || !d.elements:
		return nil
	case d.passed != "":
		return fmt.Errorf("%s: a message that is not read; allowed: %s", d.passed, strings.Join(slices.Sorted(maps.Keys(d.messages)), ", "))
	}
	return errors.New("XML without a Document of ISO 20022")
}

// named says which message a mistake is in.
func (d *decoder) named(err error) error {
	if d.message == "" || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", d.version, err)
}

func (d *decoder) mistake(format string, args ...any) error {
	return d.named(d.in.mistake(format, args...))
}

func (d *decoder) start(tok token) error {
	prefix, local, found := bytes.Cut(tok.name, []byte{':'})
	if !found {
		prefix, local = nil, tok.name
	}
	if d.message != "" {
		return d.within(string(local), tok.attrs)
	}
	d.elements = true
	if err := d.bind(tok.attrs); err != nil {
		return err
	}
	if string(local) == "Document" {
		return d.document(string(prefix))
	}
	return nil
}

// bind keeps the namespaces that an element outside documents declares.
func (d *decoder) bind(attrs []attr) error {
	for _, a := range attrs {
		prefix, is := bytes.CutPrefix(a.name, []byte("xmlns"))
		if !is || len(prefix) > 0 && prefix[0] != ':' {
			continue
		}
		if len(a.name)+len(a.raw) > maxField {
			return d.mistake("a namespace of more than %d bytes", maxField)
		}
		d.outside = append(d.outside, binding{d.in.depth(), strings.TrimPrefix(string(prefix), ":"), d.in.plain(a.raw, false)})
	}
	return nil
}

// document begins with a message, or passes it over.
func (d *decoder) document(prefix string) error {
	uri := ""
	for _, b := range d.outside {
		if b.prefix == prefix {
			uri = b.uri
		}
	}
	version := d.name.FindString(uri)
	if version == "" {
		return d.mistake("a Document whose namespace names no message, such as urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08")
	}
	message := version[:len("pacs.008")]
	tree := d.messages[message]
	if tree != nil || strings.HasPrefix(message, "admi.") || strings.HasPrefix(message, "head.") {
		d.read = true
	} else if d.passed == "" {
		d.passed = version
	}
	d.message, d.version, d.below = message, version, d.in.depth()
	d.path, d.saved = append(d.path[:0], tree), d.saved[:0]
	d.facts, d.told, d.entry = facts{}, 0, held{}
	d.headers, d.groups = d.headers[:0], d.groups[:0]
	return nil
}

// within goes into an element of a message.
func (d *decoder) within(local string, attrs []attr) error {
	var n *node
	if parent := d.path[len(d.path)-1]; parent != nil {
		if n = parent.children[local]; n == nil {
			n = parent.children[anyName]
		}
	}
	d.path = append(d.path, n)
	if n == nil {
		return nil
	}
	d.text = d.text[:0]
	if n.scope {
		d.saved = append(d.saved, d.facts)
		d.facts.own, d.facts.told = [fields]bool{}, d.told
	} else if n.at == aGroup {
		// One of several groups: what the one before said does not hold any more.
		for _, f := range []field{originalMsgID, count, status, reasonCode} {
			d.facts.values[f], d.facts.own[f] = "", false
		}
	}
	if n.at == anEntry {
		d.entry = held{}
	}
	if n.ccy != none {
		for _, a := range attrs {
			if string(a.name) == "Ccy" {
				return d.set(n.ccy, d.in.plain(a.raw, false))
			}
		}
	}
	return nil
}

// keep collects the text of an element that is of use. It may come in pieces, around comments.
func (d *decoder) keep(tok token) error {
	if d.message == "" {
		return nil
	}
	n := d.path[len(d.path)-1]
	if n == nil || n.keep == none {
		return nil
	}
	d.text = append(d.text, d.in.plain(tok.raw, tok.cdata)...)
	if len(d.text) > maxField && len(bytes.TrimSpace(d.text)) > maxField {
		return d.mistake("a value of more than %d bytes", maxField)
	}
	if len(d.text) > maxToken {
		return d.mistake("a tag or text of more than %d bytes", maxToken)
	}
	return nil
}

// set keeps a value, unless its scope has one: the first of several is the one meant.
func (d *decoder) set(f field, value string) error {
	if len(value) > maxField {
		return d.mistake("a value of more than %d bytes", maxField)
	}
	if value != "" && !d.facts.own[f] {
		d.facts.values[f], d.facts.own[f] = value, true
	}
	return nil
}

func (d *decoder) end() error {
	depth := d.in.depth() + 1 // of the element that has ended
	if d.message != "" && depth > d.below {
		return d.leave()
	}
	for len(d.outside) > 0 && d.outside[len(d.outside)-1].depth >= depth {
		d.outside = d.outside[:len(d.outside)-1]
	}
	if d.message == "" {
		return nil
	}
	err := d.rest()
	d.message = ""
	return err
}

// leave goes out of an element of a message, and hands on what it told.
func (d *decoder) leave() error {
	n := d.path[len(d.path)-1]
	d.path = d.path[:len(d.path)-1]
	if n == nil {
		return nil
	}
	if n.keep != none {
		if err := d.set(n.keep, string(bytes.TrimSpace(d.text))); err != nil {
			return err
		}
		d.text = d.text[:0]
	}
	err := d.tell(n)
	if n.scope {
		last := len(d.saved) - 1
		d.facts, d.saved = d.saved[last], d.saved[:last]
	}
	return err
}

// tell hands on what there is to tell at the end of a place.
func (d *decoder) tell(n *node) error {
	switch n.at {
	case aTransaction:
		d.told++
		if err := d.transaction(); err != nil {
			return d.placed(err)
		}
	case anEntry:
		return d.placed(d.closeEntry())
	case aGroup:
		return d.placed(d.group(n.scope))
	}
	return nil
}

// group keeps the status of a whole group until it is known that its transactions are not named.
func (d *decoder) group(batch bool) error {
	e, worth, err := d.ofGroup()
	if err != nil || !worth {
		return err
	}
	if len(d.headers)+len(d.groups) == maxGroups {
		return &fault{fmt.Sprintf("more than %d groups without transactions", maxGroups)}
	}
	if !batch {
		d.headers = append(d.headers, e)
	} else if d.told == d.facts.told {
		d.groups = append(d.groups, e)
	}
	return nil
}

// rest hands on, at the end of a message, what it says of groups and not of single transactions.
func (d *decoder) rest() error {
	groups := d.groups
	if d.told == 0 && len(groups) == 0 {
		groups = d.headers
	}
	for _, e := range groups {
		if err := d.emit(e); err != nil {
			return err
		}
	}
	return nil
}

// fault is a mistake in a value, to be placed; other errors are the sink's and stay as they are.
type fault struct{ text string }

func (f *fault) Error() string { return f.text }

func (d *decoder) placed(err error) error {
	if f, is := errors.AsType[*fault](err); is {
		return d.mistake("%s", f.text)
	}
	return err
}
