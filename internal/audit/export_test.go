package audit

// FaultyFile makes the log's file fail from now on: writes after so many bytes, as a full disk does.
func (l *Log) FaultyFile(room int, truncateErr error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.f = &faulty{file: l.f, room: room, truncateErr: truncateErr}
}

// Repaired gives the disk its room back.
func (l *Log) Repaired() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.f = l.f.(*faulty).file
}

type faulty struct {
	file
	room        int
	truncateErr error
}

func (f *faulty) WriteAt(p []byte, off int64) (int, error) {
	if len(p) <= f.room {
		f.room -= len(p)
		return f.file.WriteAt(p, off)
	}
	n, err := f.file.WriteAt(p[:f.room], off)
	f.room = 0
	if err == nil {
		err = errNoSpace
	}
	return n, err
}

func (f *faulty) Truncate(size int64) error {
	if f.truncateErr != nil {
		return f.truncateErr
	}
	return f.file.Truncate(size)
}

type noSpace struct{}

func (noSpace) Error() string { return "no space left on device" }

var errNoSpace = noSpace{}
