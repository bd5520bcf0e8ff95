package transactions

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/assayer-io/assayer/collector/transactions/journal"
)

// What was kept by an agent that hashed UUIDs as text is found by them afterwards, and by nothing else.
func TestRefsOfOlderJournals(t *testing.T) {
	const known = "eb6305c9-1f7f-49de-aed0-16487c27b42d"
	r := newRig(t, nil)
	tx := r.j.Begin()
	tx.SetMeta(refsKey, nil)
	must(t, tx.Commit())
	r.close()
	for range 2 {
		r.open()
		e := r.event("", "sct-inst", "received")
		e.UETR = known
		if got := r.put(e); got.Accepted+got.Duplicates != 1 {
			t.Fatalf("got %+v", got)
		}
		if n := r.j.Len(); n != 1 {
			t.Fatalf("%d movements of one", n)
		}
		r.close()
	}
	r.open()
	e := r.event("", "sct-inst", "settled")
	e.UETR = strings.ToUpper(known)
	r.put(e)
	r.shows(total("sct-inst", "good", "good", "good", 1))
	// As it always was: the secret, the kind of identifier, the rail with its length, the text.
	sum := sha256.Sum256(slices.Concat(r.j.Meta("secret"), []byte{1, byte(len("sct-inst"))}, []byte("sct-inst"+known)))
	tx = r.j.Begin()
	defer tx.Discard()
	if _, found, err := tx.Find(journal.Ref(sum[:])); !found || err != nil {
		t.Errorf("the movement is not where an older agent looks for it: %t, %v", found, err)
	}
}

// A UUID is the same in capital letters, on one rail, and as the teller's own id; what only looks like one is text.
func TestRefsOfUUIDs(t *testing.T) {
	r := newRig(t, nil)
	rules := r.Tracker.rules.Load()
	rail, other := rules.rails["sct-inst"], rules.rails["sct"]
	rnd := rand.New(rand.NewPCG(1, 1))
	seen := map[string]string{}
	ref := func(e *Event, rs *railState) string {
		var i identity
		r.hash.identify(e, rs, &i)
		if i.n != 1 {
			t.Fatalf("%+v has %d refs", e, i.n)
		}
		return string(i.refs[0][:])
	}
	for round := range 200 {
		id := fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", rnd.Uint32(), rnd.Uint32()>>16, rnd.Uint32()>>16, rnd.Uint32()>>16, rnd.Uint64()>>16)
		first := ref(&Event{Rail: rail.Name, UETR: id}, rail)
		for _, same := range []*Event{
			{Rail: rail.Name, UETR: strings.ToUpper(id)}, {Rail: rail.Name, ID: id}, {Rail: rail.Name, ID: strings.ToUpper(id)}, {Rail: rail.Name, UETR: id, ID: strings.ToUpper(id)},
		} {
			if ref(same, rail) != first {
				t.Fatalf("%+v is not known as %s", same, id)
			}
		}
		for name, different := range map[string]string{
			"on another rail": ref(&Event{Rail: other.Name, UETR: id}, other),
			"cut":             ref(&Event{Rail: rail.Name, UETR: id[:35]}, rail),
			"without a dash":  ref(&Event{Rail: rail.Name, UETR: id[:8] + "0" + id[9:]}, rail),
			"with a g":        ref(&Event{Rail: rail.Name, UETR: "g" + id[1:]}, rail),
			"a reference":     ref(&Event{Rail: rail.Name, Reference: id}, rail),
			"itself":          first,
		} {
			if was, ok := seen[different]; ok {
				t.Fatalf("%s %s is also %s", id, name, was)
			}
			seen[different] = id + " " + name
		}
		for i := range len(id) { // every digit of it counts
			if round > 10 || id[i] == '-' {
				continue
			}
			other := []byte(id)
			other[i] = "123456789abcdef0"[strings.IndexByte("0123456789abcdef", id[i])]
			if different := ref(&Event{Rail: rail.Name, UETR: string(other)}, rail); seen[different] != "" {
				t.Fatalf("%s is also %s", other, seen[different])
			}
		}
	}
}
