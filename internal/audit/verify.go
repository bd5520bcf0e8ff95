package audit

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Report says what a verified log holds.
type Report struct {
	Entries     uint64    `json:"entries"` // checkpoints included
	First       time.Time `json:"first"`   // timestamp of the first entry; zero for an empty log
	Last        time.Time `json:"last"`
	Checkpoints int       `json:"checkpoints"`
	Head        Head      `json:"head"`
	// Signed tells whether signatures were checked. Without a public key only the chain is.
	Signed bool `json:"signed"`
	// Unsigned is the number of entries after the signed head: being written just now, or left by a
	// crash between an entry and its signature. Only VerifyFile knows.
	Unsigned uint64 `json:"unsigned"`
}

// BrokenError says where a log is not what was written, and what is wrong.
type BrokenError struct {
	Line   int    // of the file, from 1; one past the end when the tail is missing
	Reason string // one sentence
}

// Error gives the line and the reason.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("audit log is broken at line %d: %s", e.Line, e.Reason)
}

// VerifyOptions say what a log is held against.
type VerifyOptions struct {
	// PublicKey is the log's; nil: [VerifyFile] reads the file beside the log.
	PublicKey ed25519.PublicKey
	// Expect is a head kept elsewhere; the log must hold that entry. nil: none is known.
	Expect *Head
	// ChainOnly checks hashes and order without any signature, for a log copied without the files
	// beside it. It does not notice a cut tail or a history written anew.
	ChainOnly bool
	// Each is called with every entry that has been found good, in order; nil: not called.
	Each func(Entry) error
}

// Verify streams a log and holds it against its hashes and, unless pub is nil, its checkpoints
// against pub. The error is a [*BrokenError] when the log is not what was written. The report covers
// what came before the break. A cut tail is noticed only by [VerifyFile].
func Verify(r io.Reader, pub ed25519.PublicKey) (Report, error) {
	c := newChain(pub)
	err := c.stream(r)
	return c.report, err
}

// VerifyFile is Verify for a file together with the signed head beside it.
func VerifyFile(path string, opts VerifyOptions) (Report, error) {
	// Of the files that belong together the log is the one that the caller named.
	if _, err := os.Stat(path); err != nil {
		return Report{}, fmt.Errorf("opening audit log: %w", err)
	}
	var signed SignedHead
	pub := opts.PublicKey
	if !opts.ChainOnly {
		var err error
		if pub == nil {
			if pub, err = ReadPublicKey(path + ".pub"); err != nil {
				return Report{}, err
			}
		}
		// The head is read first: entries appended meanwhile are then beyond it, never missing.
		if signed, err = readHead(path + ".head"); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return Report{}, &BrokenError{1, "the signed head " + path + ".head is missing, so a cut tail could not be noticed; copy it beside the log, or check the chain only"}
			}
			return Report{}, fmt.Errorf("reading signed head: %w", err)
		}
		if !signed.Verify(pub) {
			return Report{}, &BrokenError{1, "the signed head " + path + ".head was changed or is not signed by this log's key"}
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return Report{}, fmt.Errorf("opening audit log: %w", err)
	}
	defer f.Close()
	c := newChain(pub)
	c.each = opts.Each
	c.watch(signed.Head)
	if opts.Expect != nil {
		c.watch(*opts.Expect)
	}
	if err := c.stream(f); err != nil {
		return c.report, err
	}
	if err := c.missing(); err != nil {
		return c.report, err
	}
	if !opts.ChainOnly {
		c.report.Unsigned = c.report.Head.Seq - signed.Seq
	}
	return c.report, nil
}

// chain checks one line after the other.
type chain struct {
	pub            ed25519.PublicKey
	each           func(Entry) error
	watched        []Head // entries that must be there
	report         Report
	begun          bool   // the first line sets what is expected of the second
	first          uint64 // seq of the first entry read
	next           uint64
	prev           string
	line           int
	offset         int64 // of the end of the last good line
	lastCheckpoint uint64
}

// newChain expects a log from its first entry on.
func newChain(pub ed25519.PublicKey) *chain {
	return &chain{pub: pub, begun: true, next: 1, prev: zeroHash,
		report: Report{Signed: pub != nil, Head: Head{Hash: zeroHash}}}
}

// newTail expects a log from some entry in the middle on.
func newTail(pub ed25519.PublicKey) *chain { return &chain{pub: pub} }

// watch demands that the log holds the entry.
func (c *chain) watch(h Head) {
	if h.Seq > 0 {
		c.watched = append(c.watched, h)
	}
}

// missing reports a watched entry that never came.
func (c *chain) missing() error {
	for _, w := range c.watched {
		if w.Seq > c.report.Head.Seq {
			return &BrokenError{c.line + 1, fmt.Sprintf("the tail was cut off: there were %d entries, the file ends after %d", w.Seq, c.report.Head.Seq)}
		}
	}
	return nil
}

// stream reads lines until the end or the first that is wrong.
func (c *chain) stream(r io.Reader) error {
	br := bufio.NewReaderSize(r, 16<<10)
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > MaxLineBytes:
			return &BrokenError{c.line + 1, fmt.Sprintf("the line is longer than %d bytes", MaxLineBytes)}
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == io.EOF && len(line) == 0:
			return nil
		case err == io.EOF:
			return &BrokenError{c.line + 1, fmt.Sprintf("the line of %d bytes is incomplete", len(line))}
		case err != nil:
			return fmt.Errorf("reading audit log: %w", err)
		}
		if err := c.add(line); err != nil {
			return err
		}
		line = line[:0]
	}
}

// add checks one line, its line break included.
func (c *chain) add(line []byte) error {
	e, reason := c.check(line)
	if reason != "" {
		return &BrokenError{c.line + 1, reason}
	}
	c.begun, c.next, c.prev = true, e.Seq+1, e.Hash
	c.line = int(e.Seq) // each entry is one line
	c.offset += int64(len(line))
	if c.report.Entries == 0 {
		c.report.First, c.first = e.Timestamp, e.Seq
	}
	c.report.Entries++
	c.report.Last = e.Timestamp
	c.report.Head = Head{e.Seq, e.Hash}
	if e.Type == checkpointType {
		c.report.Checkpoints++
		c.lastCheckpoint = e.Seq
	}
	if c.each != nil {
		return c.each(e)
	}
	return nil
}

func (c *chain) check(line []byte) (e Entry, reason string) {
	if err := json.Unmarshal(line, &e); err != nil {
		return e, "the line was changed: it is no entry"
	}
	// Whatever decodes to the same entry but is spelled differently was not written by the log.
	if again, err := encode(&e); err != nil || !bytes.Equal(again, line) {
		return e, "the line was changed: it is not spelled as it was written"
	}
	sum, err := e.sum()
	switch {
	case err != nil || sum != e.Hash:
		return e, fmt.Sprintf("entry %d was changed: its content does not give its hash", e.Seq)
	case !c.begun:
	case e.Seq > c.next:
		return e, fmt.Sprintf("entries %d to %d were removed or moved", c.next, e.Seq-1)
	case e.Seq < c.next:
		return e, fmt.Sprintf("entry %d is repeated or out of order, %d should follow", e.Seq, c.next)
	case e.PrevHash != c.prev:
		return e, fmt.Sprintf("entry %d does not follow the entry before it: one of them was replaced", e.Seq)
	}
	for _, w := range c.watched {
		if w.Seq == e.Seq && w.Hash != e.Hash {
			return e, fmt.Sprintf("entry %d is not the one that was known: the log was written anew", e.Seq)
		}
	}
	if e.Type == checkpointType && c.pub != nil {
		var h SignedHead
		if err := json.Unmarshal(e.Evidence, &h); err != nil || h.Seq != e.Seq-1 || h.Hash != e.PrevHash || !h.Verify(c.pub) {
			return e, fmt.Sprintf("checkpoint %d is not signed by this log's key: the log was written anew", e.Seq)
		}
	}
	return e, ""
}
