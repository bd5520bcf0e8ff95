package prometheus

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/assayer-io/assayer/collector"
)

const (
	maxFamily     = 64 << 20 // bytes of one metric family message; a larger one fails the cycle
	maxFamilyName = 4 << 10  // longer names are decided on after the whole message was read
)

// protoScan reads length-delimited MetricFamily messages. Families whose name is not wanted are
// skipped unread; one that is wanted is held as a whole.
type protoScan struct {
	answer *answer
	uses   map[string]use // nil: every family is wanted
	native bool           // native histograms are wanted
	in     *bufio.Reader
	family bytes.Buffer
}

// read scans the whole of r.
func (s *protoScan) read(r io.Reader) error {
	s.in.Reset(r)
	for {
		size, err := s.size()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s.answer.stats.Bytes += int64(size)
		if !s.wanted(size) {
			if _, err := s.in.Discard(int(size)); err != nil {
				return inMessage(err)
			}
			continue
		}
		s.family.Reset()
		s.family.Write(binary.AppendUvarint(nil, size))
		if _, err := io.CopyN(&s.family, s.in, int64(size)); err != nil {
			return inMessage(err)
		}
		if err := s.parse(); err != nil {
			return err
		}
	}
}

// size reads the length of the next message; io.EOF: there is none.
func (s *protoScan) size() (uint64, error) {
	if _, err := s.in.Peek(1); err != nil {
		return 0, err
	}
	size, err := binary.ReadUvarint(s.in)
	if err != nil {
		return 0, inMessage(err)
	}
	if size > maxFamily {
		return 0, fmt.Errorf("metric family message of %d bytes, above the bound of %d", size, maxFamily)
	}
	return size, nil
}

// inMessage is err for a place where a body must not end.
func inMessage(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// wanted looks at the name, which encoders put first. Where it is not, the parser finds it.
func (s *protoScan) wanted(size uint64) bool {
	if s.uses == nil {
		return true
	}
	head, _ := s.in.Peek(int(min(size, maxFamilyName))) // what is missing shows later
	const nameField = 1<<3 | 2
	if len(head) == 0 || head[0] != nameField {
		return true
	}
	n, used := binary.Uvarint(head[1:])
	if used <= 0 || n > uint64(len(head)-1-used) {
		return true
	}
	return s.uses[string(head[1+used:1+used+int(n)])] != 0
}

// parse reads the one family held.
func (s *protoScan) parse() error {
	if s.native && s.family.Len() > maxParsed { // a bucket is a byte at least
		_, length := protowire.ConsumeVarint(s.family.Bytes())
		if err := checkBuckets(s.family.Bytes()[length:]); err != nil {
			return err
		}
	}
	p := textparse.NewProtobufParser(s.family.Bytes(), !s.native, true, false, false, labels.NewSymbolTable())
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.entry(entry, p); err != nil {
			return err
		}
	}
}

// entry takes what the parser stands on.
func (s *protoScan) entry(entry textparse.Entry, p textparse.Parser) error {
	switch entry {
	case textparse.EntrySeries:
		s.answer.stats.Seen++
		raw, ts, v := p.Series()
		e, err := s.answer.memory.find(raw, p, model.MetricTypeUnknown, formatProto)
		if err != nil {
			return err
		}
		return s.answer.add(e, collector.Sample{Value: v, FromMs: p.StartTimestamp()}, ts)
	case textparse.EntryHistogram:
		s.answer.stats.Seen++
		var n native
		n.raw, n.ts, n.integer, n.float = p.Histogram()
		e, err := s.answer.memory.find(n.raw, p, model.MetricTypeUnknown, formatProto)
		if err != nil {
			return err
		}
		return s.answer.addNative(e, n, p.StartTimestamp())
	}
	return nil
}
