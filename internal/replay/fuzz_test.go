package replay_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/collector"
	"github.com/assayer-io/assayer/internal/replay/recording"
	"github.com/assayer-io/assayer/internal/replay/tsdb"
)

// FuzzDirectory damages one file of a data directory: what is read is never a crash, and no sample of it
// was never written.
func FuzzDirectory(f *testing.F) {
	sound := f.TempDir()
	var all []serie
	for _, name := range []string{"up", "x_total"} {
		s := serie{labels: labels.FromStrings(labels.MetricName, name, "job", "j", "instance", "i")}
		for i := range 300 {
			s.at, s.value = append(s.at, int64(1000*i)), append(s.value, float64(i%7))
		}
		all = append(all, s)
	}
	writeBlock(f, filepath.Join(sound, "01A"), all, 0, 200_000, nil)
	writeLog(f, sound, all, 150_000, "snappy")
	var names []string
	err := filepath.WalkDir(sound, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path[len(sound)+1:])
		}
		return err
	})
	must(f, err)
	for i := range names {
		f.Add(uint8(i), uint32(0), uint32(20), []byte{0xff})
		f.Add(uint8(i), uint32(1), uint32(100), []byte{1, 2, 3, 4, 5, 6, 7, 8})
		f.Add(uint8(i), uint32(10), uint32(0), []byte{})
	}
	w := recording.Wanted{Interest: collector.Interest{AllNames: true, Match: func(labels.Labels) bool { return true }}}
	f.Fuzz(func(t *testing.T, which uint8, cut, at uint32, with []byte) {
		dir := t.TempDir()
		must(t, os.CopyFS(dir, os.DirFS(sound)))
		path := filepath.Join(dir, names[int(which)%len(names)])
		data, err := os.ReadFile(path)
		must(t, err)
		data = data[:len(data)-int(cut)%(len(data)+1)]
		if int(at) < len(data) {
			copy(data[at:], with)
		}
		must(t, os.WriteFile(path, data, 0o600))
		o := tsdb.Options{Wanted: w, From: math.MinInt64, To: math.MaxInt64, Temp: dir}
		parts, _, err := tsdb.Open(t.Context(), dir, o)
		if err != nil {
			return
		}
		r, err := recording.NewReader(t.Context(), parts, w, recording.Options{})
		if err != nil {
			return
		}
		defer r.Close()
		for {
			c, err := r.Next()
			if err != nil {
				if !errors.Is(err, io.EOF) && bytes.Equal(with, nil) && cut == 0 {
					t.Fatalf("a sound directory: %v", err)
				}
				return
			}
			for _, s := range c.Samples {
				if ms := c.At.UnixMilli(); s.Value != float64(ms/1000%7) || ms%1000 != 0 {
					t.Fatalf("at %d ms it reads %v", ms, s.Value)
				}
			}
		}
	})
}
