package transactions

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/assayer-io/assayer/collector/transactions/journal"
)

// hasher turns identifiers into refs: SHA-256 of a secret of this agent's and the identifier, cut to 96 bits. The
// secret keeps account numbers and other short identifiers from being found by trying; 96 bits keep two of
// ten million movements apart with a chance of 10^-15 of a mistake.
type hasher struct {
	secret [32]byte
	// oneBlock: a UUID is hashed as 16 bytes behind a key of its rail instead of as text behind secret and rail. That is one
	// block of SHA-256 and not two. Journals that were begun without it go on without.
	oneBlock bool
}

// uuidKey is what UUIDs of a rail are hashed behind.
func (h *hasher) uuidKey(rail string) [sha256.Size]byte {
	return sha256.Sum256(append(append(slices.Clone(h.secret[:]), kindUETR), rail...))
}

// Kinds of identifiers, so that equal texts of different kinds differ.
const (
	kindUETR = iota + 1
	kindID
	kindEndToEnd
	kindReference
	kindParties
	kindLeg
	kindClaim
)

// endToEndDays is for how many days after its own an end-to-end id is looked for: what is told of a movement
// rarely names the day it began.
const endToEndDays = 7

func (h *hasher) ref(kind byte, scope, value string) (r journal.Ref) {
	var stack [192]byte
	buf := append(stack[:0], h.secret[:]...)
	buf = append(buf, kind, byte(len(scope)))
	buf = append(append(buf, scope...), value...)
	sum := sha256.Sum256(buf)
	copy(r[:], sum[:])
	return r
}

// uetr is ref of a UUID, which is the same in capital letters.
func (h *hasher) uetr(rs *railState, value string) (r journal.Ref) {
	var buf [sha256.Size + 16]byte
	if !h.oneBlock || !parseUUID(value, buf[sha256.Size:]) {
		return h.ref(kindUETR, rs.Name, lower(value))
	}
	copy(buf[:], rs.uuidKey[:])
	sum := sha256.Sum256(buf[:])
	copy(r[:], sum[:])
	return r
}

// lower is strings.ToLower, which takes twice as long to find that there is nothing to do.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c-'A' <= 'Z'-'A' || c >= utf8.RuneSelf {
			return strings.ToLower(s)
		}
	}
	return s
}

func (h *hasher) endToEnd(rail, value string, day int64) (r journal.Ref) {
	var stack [192]byte
	buf := append(stack[:0], h.secret[:]...)
	buf = append(buf, kindEndToEnd, byte(len(rail)))
	buf = append(append(buf, rail...), value...)
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64(buf, uint64(day)))
	copy(r[:], sum[:])
	return r
}

// identity is what a movement is found by.
type identity struct {
	refs [3]journal.Ref
	n    int
	// What an end-to-end id would have been called on another day.
	rail, endToEnd string
	day            int64
	endToEndAt     int    // its index in refs
	leg            string // the direction that refs stand for, of a movement whose identifiers another one has too
}

func (i *identity) add(r journal.Ref) {
	if i.n < len(i.refs) {
		i.refs[i.n] = r
		i.n++
	}
}

// identify hashes what e, of rail rs, is identified by into i, which is empty; with nothing to go by, n stays 0.
func (h *hasher) identify(e *Event, rs *railState, i *identity) {
	if e.UETR != "" {
		i.add(h.uetr(rs, e.UETR))
	}
	switch {
	case e.ID == "":
	case isUUID(e.ID):
		if !strings.EqualFold(e.ID, e.UETR) {
			i.add(h.uetr(rs, e.ID))
		}
	default:
		i.add(h.ref(kindID, e.Rail, e.ID))
	}
	if e.EndToEndID != "" && e.EndToEndID != "NOTPROVIDED" {
		i.rail, i.endToEnd, i.day, i.endToEndAt = e.Rail, e.EndToEndID, dayOf(e.At), i.n
		i.add(h.endToEnd(i.rail, i.endToEnd, i.day))
	}
	if e.Reference != "" {
		i.add(h.ref(kindReference, e.Rail, e.Reference))
	}
}

// earlier is the end-to-end id's ref so many days before the event's own.
func (h *hasher) earlier(i *identity, days int64) journal.Ref {
	r := h.endToEnd(i.rail, i.endToEnd, i.day-days)
	if i.leg != "" {
		return h.ref(kindLeg, i.leg, string(r[:]))
	}
	return r
}

// toLeg makes i the identity of the movement that goes this way, beside one that goes the other way.
func (h *hasher) toLeg(i *identity, direction string) {
	i.leg = direction
	for n, r := range i.refs[:i.n] {
		i.refs[n] = h.ref(kindLeg, direction, string(r[:]))
	}
}

func dayOf(t time.Time) int64 { return floorDiv(t.Unix(), 86_400) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// isUUID reports whether s has the shape 8-4-4-4-12 of hexadecimal digits.
func isUUID(s string) bool {
	var id [16]byte
	return parseUUID(s, id[:])
}

// parseUUID reads what has that shape into id, of 16 bytes. If it reports false, what is there means nothing.
func parseUUID(s string, id []byte) bool {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	var digits [32]byte
	copy(digits[:8], s[:8])
	copy(digits[8:12], s[9:13])
	copy(digits[12:16], s[14:18])
	copy(digits[16:20], s[19:23])
	copy(digits[20:], s[24:])
	_, err := hex.Decode(id, digits[:])
	return err == nil
}
