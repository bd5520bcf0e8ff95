package transactions

import (
	"encoding/json"
	"fmt"

	"github.com/assayer-io/assayer/collector/transactions/journal"
	"github.com/assayer-io/assayer/slo/rail"
)

// Names that records keep as numbers. They only grow, and are stored with the records that use them.

// lane is what movements are counted apart by.
type lane struct {
	Rail      string `json:"rail"`
	Direction string `json:"direction"`
	Currency  string `json:"currency"` // empty until an amount is told
}

const (
	maxLanes = 4096
	maxPeers = 10_000 // their list is one value of the journal
)

// dict is every name in use. Only the tracker's own goroutine changes it.
type dict struct {
	lanes   []lane
	laneOf  map[lane]uint16
	peers   []string // of number 1 on; 0 is none, or one too many
	peerOf  map[string]uint32
	states  map[string][]string // by rail, in the order of the numbers that records keep
	ways    map[string]uint8    // by rail: the directions of its lanes, as bits
	unsaved map[string]struct{} // by key: what has changed since it was last on disk
	lately  struct {            // what was asked for last
		lane uint16
		peer uint32
	}
}

const (
	lanesKey  = "names/lanes"
	peersKey  = "names/peers"
	statesKey = "names/states/"
)

func newDict(j *journal.Journal) (*dict, error) {
	d := &dict{laneOf: map[lane]uint16{}, peerOf: map[string]uint32{}, states: map[string][]string{}, ways: map[string]uint8{}, unsaved: map[string]struct{}{}}
	for key, into := range map[string]any{lanesKey: &d.lanes, peersKey: &d.peers} {
		if data := j.Meta(key); data != nil {
			if err := json.Unmarshal(data, into); err != nil {
				return nil, fmt.Errorf("reading %s: %w", key, err)
			}
		}
	}
	for i, l := range d.lanes {
		d.laneOf[l] = uint16(i)
		d.goes(l)
	}
	for i, p := range d.peers {
		d.peerOf[p] = uint32(i) + 1
	}
	err := j.ScanMeta(statesKey, func(key string, value []byte) error {
		var names []string
		if err := json.Unmarshal(value, &names); err != nil {
			return fmt.Errorf("reading %s: %w", key, err)
		}
		d.states[key[len(statesKey):]] = names
		return nil
	})
	return d, err
}

// lane numbers a lane. Those that come one after the other are mostly the same.
func (d *dict) lane(l lane) (uint16, error) {
	if int(d.lately.lane) < len(d.lanes) && d.lanes[d.lately.lane] == l {
		return d.lately.lane, nil
	}
	i, err := d.findLane(l)
	if err == nil {
		d.lately.lane = i
	}
	return i, err
}

func (d *dict) findLane(l lane) (uint16, error) {
	if i, known := d.laneOf[l]; known {
		return i, nil
	}
	if len(d.lanes) >= maxLanes {
		return 0, errManyLanes
	}
	i := uint16(len(d.lanes))
	d.lanes = append(d.lanes, l)
	d.laneOf[l] = i
	d.unsaved[lanesKey] = struct{}{}
	d.goes(l)
	return i, nil
}

const (
	wayIn uint8 = 1 << iota
	wayOut
)

func (d *dict) goes(l lane) {
	switch l.Direction {
	case "in":
		d.ways[l.Rail] |= wayIn
	case "out":
		d.ways[l.Rail] |= wayOut
	}
}

// bothWays reports whether movements of a rail have gone in and out.
func (d *dict) bothWays(rail string) bool { return d.ways[rail] == wayIn|wayOut }

// peer numbers a counterparty; what is one too many shares number 0 with the untold.
func (d *dict) peer(name string) uint32 {
	if name == "" || len(name) > 64 {
		return 0
	}
	if d.lately.peer > 0 && d.peers[d.lately.peer-1] == name {
		return d.lately.peer
	}
	d.lately.peer = d.findPeer(name)
	return d.lately.peer
}

func (d *dict) findPeer(name string) uint32 {
	if i, known := d.peerOf[name]; known {
		return i
	}
	if len(d.peers) >= maxPeers {
		return 0
	}
	d.peers = append(d.peers, name)
	i := uint32(len(d.peers))
	d.peerOf[name] = i
	d.unsaved[peersKey] = struct{}{}
	return i
}

func (d *dict) peerName(i uint32) string {
	if i == 0 || int(i) > len(d.peers) {
		return ""
	}
	return d.peers[i-1]
}

// number gives the states of a rail their numbers, old names first, and says which those are.
func (d *dict) number(r *rail.Rail) ([]rail.State, map[string]uint8, error) {
	names := d.states[r.Name]
	byName := map[string]uint8{}
	for i, name := range names {
		byName[name] = uint8(i)
	}
	for _, s := range r.States {
		if _, known := byName[s.Name]; known {
			continue
		}
		if len(names) >= maxStates {
			return nil, nil, fmt.Errorf("rail %s: state %s is one more than the %d that can be kept, names it had before included", r.Name, s.Name, maxStates)
		}
		byName[s.Name] = uint8(len(names))
		names = append(names, s.Name)
		d.unsaved[statesKey+r.Name] = struct{}{}
	}
	d.states[r.Name] = names
	states := make([]rail.State, len(names))
	now := map[string]uint8{}
	for _, s := range r.States {
		states[byName[s.Name]] = s
		now[s.Name] = byName[s.Name]
	}
	return states, now, nil
}

// save writes what is new. It stays new until saved is called.
func (d *dict) save(tx *journal.Tx) error {
	for key := range d.unsaved {
		var what any
		switch key {
		case lanesKey:
			what = d.lanes
		case peersKey:
			what = d.peers
		default:
			what = d.states[key[len(statesKey):]]
		}
		data, err := json.Marshal(what)
		if err != nil {
			return fmt.Errorf("writing %s: %w", key, err)
		}
		tx.SetMeta(key, data)
	}
	return nil
}

func (d *dict) saved() { clear(d.unsaved) }
