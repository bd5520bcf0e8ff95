package docs_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/rail"
)

func rails(t *testing.T) []rail.Rail {
	t.Helper()
	set, err := rail.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return set.All()
}

// wantRows holds a table to what the data say, and prints it as it has to be.
func wantRows(t *testing.T, page, marker string, want [][]string) {
	t.Helper()
	if written := tables(t, page, marker); slices.EqualFunc(written, want, slices.Equal) {
		return
	}
	var text strings.Builder
	for _, row := range want {
		text.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	t.Errorf("%s: the table %q has to be\n%s", page, marker, text.String())
}

func clockOf(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

func percent(ratio float64) string { return strconv.FormatFloat(100*ratio, 'g', 6, 64) + " %" }

// deadlineOf says in words what a rail's deadline is.
func deadlineOf(d rail.Deadline) string {
	days := func(n int) string {
		return map[int]string{0: "of the same day", 1: "of the next business day"}[n] + strings.Repeat("of the "+strconv.Itoa(n)+"nd business day after", min(n/2, 1))
	}
	switch {
	case d.Within > 0:
		return model.Duration(d.Within).String() + " after receipt"
	case d.Confirmations != nil:
		c := d.Confirmations
		return fmt.Sprintf("%d blocks of %v and %v", c.Blocks, model.Duration(c.BlockTime), model.Duration(c.Grace))
	case d.EndOfDay != nil:
		text := clockOf(d.EndOfDay.Minute) + " " + days(d.EndOfDay.Days)
		if d.CutOff != "" {
			text += fmt.Sprintf(", cut-off `%s` %s", d.CutOff, clockOf(d.CutOffAt))
		}
		if d.Settles != "" {
			text += ", which is one of `" + d.Settles + "` too"
		}
		return text
	}
	var windows []string
	for _, w := range d.Windows {
		windows = append(windows, fmt.Sprintf("`%s` until %s: %s %s", w.Name, clockOf(w.CutOff), clockOf(w.At), days(w.Days)))
	}
	return strings.Join(windows, "; ")
}

// TestRails: every rail, its states, its deadline.
func TestRails(t *testing.T) {
	var want [][]string
	for _, r := range rails(t) {
		var own []string
		for _, s := range r.States {
			if !slices.Contains(rail.CommonStates(), s) {
				own = append(own, fmt.Sprintf("`%s`", s.Name))
			}
		}
		want = append(want, []string{"`" + r.Name + "`", r.Title, "`" + r.Calendar + "`", deadlineOf(r.Deadline), strings.Join(own, ", ")})
	}
	wantRows(t, "rails.md", "rails", want)
}

func TestCommonStates(t *testing.T) {
	var want [][]string
	for _, s := range rail.CommonStates() {
		want = append(want, []string{"`" + s.Name + "`", strconv.Itoa(s.Rank), "`" + string(s.Kind) + "`"})
	}
	for i, row := range tables(t, "rails.md", "common states") {
		if i >= len(want) || !slices.Equal(row[:3], want[i]) {
			t.Errorf("row %d: %v, want %v", i, row, want)
		}
	}
}

// TestRailLimits: every figure of somebody else's, where it is written and as of when.
func TestRailLimits(t *testing.T) {
	var want [][]string
	for _, r := range rails(t) {
		for _, l := range r.Limits {
			until := ""
			if l.Until != (calendar.Date{}) {
				until = l.Until.String()
			}
			want = append(want, []string{"`" + r.Name + "`", l.Name, l.Value, l.Text, l.Source, l.AsOf.String(), until})
		}
	}
	wantRows(t, "rails.md", "rail limits", want)
}

// TestRailObjectives: what a document has that names the rail and nothing else.
func TestRailObjectives(t *testing.T) {
	var want [][]string
	for _, r := range rails(t) {
		cells := map[string]string{}
		window := ""
		for _, p := range r.Proposals {
			text := percent(p.Objective)
			switch p.Signal {
			case rail.Latency:
				text += " below " + model.Duration(time.Duration(p.Below*1e9)).String()
			case rail.Traffic:
				text += " with at least " + percent(p.AtLeast) + " of expected"
			case rail.Saturation:
				text += fmt.Sprintf(" with `%s` below %v", p.Gauge, p.Below)
			}
			cells[p.Name], window = text, p.Window
		}
		capped := cells[rail.CappedValue]
		if capped != "" {
			capped += ", at most " + r.Capped + " each"
		}
		want = append(want, []string{"`" + r.Name + "`", window, cells[rail.Errors], cells[rail.Value], capped, cells[rail.Latency], cells[rail.Traffic], cells[rail.Saturation]})
	}
	wantRows(t, "rails.md", "rail objectives", want)
}

// TestRailKeys asks the reader itself which keys it knows.
func TestRailKeys(t *testing.T) {
	for _, path := range []string{"", "states[0]", "deadline", "deadline.endOfDay", "deadline.endOfDay.cutOff", "deadline.windows[0]", "deadline.confirmations", "limits[0]", "objectives.saturation", "dashboard"} {
		inner := "{zzz: 1}"
		steps := strings.Split(path, ".")
		slices.Reverse(steps)
		for _, step := range steps {
			if name, isList := strings.CutSuffix(step, "[0]"); isList {
				inner = "{" + name + ": [" + inner + "]}"
			} else if step != "" {
				inner = "{" + step + ": " + inner + "}"
			}
		}
		_, problems := rail.Parse("f.yaml", []byte("apiVersion: assayer.dev/v1\nkind: Rail\nmetadata: {name: x}\nspec: "+inner+"\n"))
		var known, written []string
		for _, p := range problems {
			if strings.HasSuffix(p.Path, ".zzz") {
				known = strings.Split(p.Allowed, ", ")
			}
		}
		for _, row := range tables(t, "rails.md", strings.TrimSuffix("keys of Rail: spec."+path, ".")) {
			written = append(written, codes(row[0])...)
		}
		wantSame(t, "Rail spec."+path, written, known)
	}
}

// TestRailFiles reads the rails that the manual shows.
func TestRailFiles(t *testing.T) {
	for _, f := range fences(t, "yaml", "rail") {
		if found, problems := rail.Parse(f.page, []byte(f.text)); len(problems) > 0 || len(found) == 0 {
			t.Errorf("%s: %d rails, %v in\n%s", f.page, len(found), problems, f.text)
		}
	}
}
