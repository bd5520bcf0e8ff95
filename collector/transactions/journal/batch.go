package journal

import (
	"fmt"
	"slices"
)

// waitingMax is how many records wait in memory for their slot to be written: those of one transaction at the
// least. Later changes of the same record, and neighbours, then cost one write together.
const waitingMax = 1 << 16

// batch is the contents of slots that are to be written into the file together.
type batch struct {
	found table // where in images a slot is
	slots []Slot
	// images are the contents of slots, in the same order.
	images []byte
	order  []uint64 // scratch
	run    []byte   // scratch
}

// put makes image the content of s.
func (b *batch) put(s Slot, image []byte) {
	if place, ok := b.found.get(s); ok {
		copy(b.images[place*slotSize:], image)
		return
	}
	b.found.put(s, len(b.slots))
	b.slots = append(b.slots, s)
	b.images = append(b.images, image...)
}

// get is the content of s, nil when it is not here.
func (b *batch) get(s Slot) []byte {
	if place, ok := b.found.get(s); ok {
		return b.images[place*slotSize:][:slotSize]
	}
	return nil
}

func (b *batch) clear() {
	b.found.clear()
	b.slots, b.images = b.slots[:0], b.images[:0]
}

const (
	runGap = 32              // so many slots between two that wait are read and written with them
	runMax = 2048 * slotSize // bytes in one write
)

// write writes all of it into the file, not yet lasting, in runs as long as can be: a write of 128 bytes costs more than
// all else that is done for a record.
func (b *batch) write(f file) error {
	b.order = b.order[:0]
	for place, s := range b.slots {
		b.order = append(b.order, uint64(s)<<32|uint64(place))
	}
	slices.Sort(b.order)
	for i := 0; i < len(b.order); {
		first, j := Slot(b.order[i]>>32), i+1
		for j < len(b.order) && Slot(b.order[j]>>32)-Slot(b.order[j-1]>>32) <= runGap && int(Slot(b.order[j]>>32)-first+1)*slotSize <= runMax {
			j++
		}
		if err := b.writeRun(f, b.order[i:j]); err != nil {
			return err
		}
		i = j
	}
	return nil
}

// writeRun writes the slots of order, and those between them as they are, at once.
func (b *batch) writeRun(f file, order []uint64) error {
	first, last := Slot(order[0]>>32), Slot(order[len(order)-1]>>32)
	size := int(last-first+1) * slotSize
	if cap(b.run) < size {
		b.run = make([]byte, runMax)
	}
	run := b.run[:size]
	if int(last-first)+1 > len(order) {
		if err := readSlots(f, first, run); err != nil {
			return err
		}
	}
	for _, o := range order {
		place := int(uint32(o))
		copy(run[int(Slot(o>>32)-first)*slotSize:], b.images[place*slotSize:][:slotSize])
	}
	if _, err := f.WriteAt(run, int64(first)*slotSize); err != nil {
		return fmt.Errorf("writing slots from %d: %w", first, err)
	}
	return nil
}

// table finds places by slot, of which there are mostly many neighbours: blocks of them are found by open addressing,
// never more than half full, and a block has the places of its slots side by side. It is emptied only as a whole.
type table struct {
	cells  []uint64 // number of a block, and which it is of blocks + 1
	blocks [][blockSlots]uint32
	used   int // places in it
}

// blockSlots is how many slots a block has: their places are one line of the cache.
const blockSlots = 16

// cell is where a block is, or would be.
func (t *table) cell(block Slot) int {
	mask := len(t.cells) - 1
	i := int(uint32(block)*0x9e3779b1>>8) & mask
	for t.cells[i] != 0 && Slot(t.cells[i]>>32) != block {
		i = (i + 1) & mask
	}
	return i
}

func (t *table) get(s Slot) (place int, ok bool) {
	if t.used == 0 {
		return 0, false
	}
	c := t.cells[t.cell(s/blockSlots)]
	if c == 0 {
		return 0, false
	}
	p := t.blocks[uint32(c)-1][s%blockSlots]
	return int(p) - 1, p != 0
}

// put enters s at place; it must not be there yet.
func (t *table) put(s Slot, place int) {
	t.block(s / blockSlots)[s%blockSlots] = uint32(place + 1)
	t.used++
}

// block is the block of this number, which is made if need be.
func (t *table) block(number Slot) *[blockSlots]uint32 {
	if 2*(len(t.blocks)+1) > len(t.cells) {
		old := t.cells
		t.cells = make([]uint64, max(fewCells, 2*len(old)))
		for _, c := range old {
			if c != 0 {
				t.cells[t.cell(Slot(c>>32))] = c
			}
		}
	}
	c := &t.cells[t.cell(number)]
	if *c == 0 {
		t.blocks = append(t.blocks, [blockSlots]uint32{})
		*c = uint64(number)<<32 | uint64(len(t.blocks))
	}
	return &t.blocks[uint32(*c)-1]
}

func (t *table) clear() {
	clear(t.cells)
	t.blocks, t.used = t.blocks[:0], 0
}
